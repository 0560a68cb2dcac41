import { connect, createServer, type Server, type Socket } from 'node:net'

/** A network between a client and a server that can be made to fail. */
export class NetworkProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>()
  #delay = 0
  #refusing = false

  private constructor(server: Server) {
    this.#server = server
  }

  /** Listens on a free port of 127.0.0.1 and passes everything on to `port`. */
  static async start(port: number): Promise<NetworkProxy> {
    const server = createServer()
    const proxy = new NetworkProxy(server)
    server.on('connection', client => proxy.#accept(client, port))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed')
    return `nats://127.0.0.1:${address.port}`
  }

  /** Ends all connections; new ones are refused until `restore`. */
  cut(): void {
    this.#refusing = true
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  restore(): void {
    this.#refusing = false
    this.#delay = 0
  }

  /** Ends all connections; new ones are taken. */
  drop(): void {
    this.cut()
    this.#refusing = false
  }

  /** The server still hears the client and is no longer heard. */
  silenceServer(): void {
    for (const [, server] of this.#pairs) {
      server.removeAllListeners('data')
      server.resume()
    }
  }

  /** Each piece of data is passed on so many milliseconds later. */
  delay(milliseconds: number): void {
    this.#delay = milliseconds
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  #accept(client: Socket, port: number): void {
    if (this.#refusing) {
      client.destroy()
      return
    }
    const server = connect(port, '127.0.0.1')
    const pair = [client, server] as const
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const [from, to] of [pair, [server, client] as const]) {
      from.setNoDelay(true)
      from.on('error', end)
      from.on('close', end)
      from.on('data', chunk => this.#pass(chunk, to))
    }
  }

  #pass(chunk: Buffer, to: Socket): void {
    if (this.#delay === 0) to.write(chunk)
    else setTimeout(() => to.destroyed || to.write(chunk), this.#delay)
  }
}
