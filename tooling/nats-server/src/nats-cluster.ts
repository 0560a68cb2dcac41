import { freePorts } from './free-ports.ts'
import { NatsServer, type ServerOptions } from './nats-server.ts'

/** Several NATS servers that replicate for one another. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[]

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers
  }

  /** Starts so many servers; resolves when all take requests. */
  static async start(count = 3, options: ServerOptions = {}): Promise<NatsCluster> {
    const ports = await freePorts(count * 3)
    const routes = ports.slice(0, count)
    const servers = await Promise.all(
      routes.map((routePort, at) =>
        NatsServer.create(
          {
            name: `node${at + 1}`,
            port: ports[count + at] ?? 0,
            routePort,
            monitorPort: ports[2 * count + at] ?? 0,
            routes: routes.filter(other => other !== routePort),
          },
          options,
        ),
      ),
    )
    const cluster = new NatsCluster(servers)
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
    return this.servers.map(server => server.url)
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map(server => server.stop()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
