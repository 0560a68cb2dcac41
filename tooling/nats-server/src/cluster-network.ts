import { NetworkProxy } from './network-proxy.ts'

/** The network of a cluster: between the clients and each server, and between each two servers. */
export class ClusterNetwork implements AsyncDisposable {
  /** Between clients and each server. */
  readonly clients: readonly NetworkProxy[]
  /** From a server to another, both ways in which they may have connected. */
  readonly #routes: ReadonlyMap<string, NetworkProxy>

  private constructor(clients: readonly NetworkProxy[], routes: ReadonlyMap<string, NetworkProxy>) {
    this.clients = clients
    this.#routes = routes
  }

  /** For servers that listen on these ports, in the same order. */
  static async start(ports: readonly number[], routePorts: readonly number[]): Promise<ClusterNetwork> {
    const clients = await Promise.all(ports.map(port => NetworkProxy.start(port)))
    const routes = new Map<string, NetworkProxy>()
    for (const from of routePorts.keys()) {
      for (const [to, port] of routePorts.entries()) {
        if (from !== to) routes.set(`${from} ${to}`, await NetworkProxy.start(port))
      }
    }
    return new ClusterNetwork(clients, routes)
  }

  /** Ports through which a server reaches the others. */
  routesFrom(server: number): number[] {
    return [...this.#routes].filter(([name]) => name.startsWith(`${server} `)).map(([, proxy]) => proxy.port)
  }

  /** The proxies between a server and the others. */
  routesOf(server: number): NetworkProxy[] {
    return [...this.#routes].filter(([name]) => name.split(' ').includes(`${server}`)).map(([, proxy]) => proxy)
  }

  /** Everything works again. */
  restore(): void {
    for (const proxy of [...this.clients, ...this.#routes.values()]) proxy.restore()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.clients, ...this.#routes.values()].map(proxy => proxy[Symbol.asyncDispose]()))
  }
}
