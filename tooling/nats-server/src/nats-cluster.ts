import { ClusterNetwork } from './cluster-network.ts'
import { freePorts } from './free-ports.ts'
import { NatsServer, type ServerOptions } from './nats-server.ts'

/** Several NATS servers that replicate for one another. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[]

  readonly #network: ClusterNetwork | undefined

  private constructor(servers: readonly NatsServer[], network: ClusterNetwork | undefined) {
    this.servers = servers
    this.#network = network
  }

  /** Starts so many servers; resolves when all take requests. `network`: clients and servers meet through one that can fail. */
  static async start(count = 3, options: ServerOptions & { network?: boolean } = {}): Promise<NatsCluster> {
    const ports = await freePorts(count * 3)
    const routes = ports.slice(0, count)
    const network =
      options.network === true ? await ClusterNetwork.start(ports.slice(count, 2 * count), routes) : undefined
    const servers = await Promise.all(
      routes.map((routePort, at) =>
        NatsServer.create(
          {
            name: `node${at + 1}`,
            port: ports[count + at] ?? 0,
            routePort,
            monitorPort: ports[2 * count + at] ?? 0,
            routes: network?.routesFrom(at) ?? routes.filter(other => other !== routePort),
            hidden: network !== undefined,
          },
          options,
        ),
      ),
    )
    const cluster = new NatsCluster(servers, network)
    try {
      // All before any is awaited: none becomes ready without the others.
      for (const server of servers) server.launch()
      await Promise.all(servers.map(server => server.ready()))
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  get urls(): string[] {
    return this.#network?.clients.map(proxy => proxy.url) ?? this.servers.map(server => server.url)
  }

  /** Throws when the cluster was started without. */
  get network(): ClusterNetwork {
    if (this.#network === undefined) throw new Error('the cluster was started without a network that can fail')
    return this.#network
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map(server => server.stop()))
    await this.#network?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
