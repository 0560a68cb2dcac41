import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { inTime } from './in-time.ts'

/** Milliseconds in which connections that were ended have to be gone. */
const patience = 30_000

/** Both ends of a connection through the proxy. */
interface Pair {
  readonly client: Socket
  readonly server: Socket
}

/** A network between a client and a server that can be made to fail. */
export class NetworkProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #delay = 0
  #refusing = false

  private constructor(server: Server) {
    this.#server = server
  }

  /** Listens on a free port of 127.0.0.1 and passes everything on to `port`. */
  static async start(port: number): Promise<NetworkProxy> {
    const server = createServer({ allowHalfOpen: true })
    const proxy = new NetworkProxy(server)
    server.on('connection', client => proxy.#accept(client, port))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed')
    return address.port
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** Ends all connections; new ones are refused until `restore`. */
  cut(): void {
    this.#refusing = true
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
  }

  /** New connections are taken, and nothing is delayed any more. Connections that were silenced stay so. */
  restore(): void {
    this.#refusing = false
    this.#delay = 0
  }

  /** Ends all connections; new ones are taken. */
  drop(): void {
    this.cut()
    this.#refusing = false
  }

  /** Ends the connections that were silenced. */
  dropSilenced(): void {
    for (const { client, server } of this.#pairs) if (!listens(client) || !listens(server)) client.destroy()
  }

  /** The server still hears the client and is no longer heard. */
  silenceServer(): void {
    for (const { server } of this.#pairs) silence(server)
  }

  /** The client still hears the server and is no longer heard. */
  silenceClient(): void {
    for (const { client } of this.#pairs) silence(client)
  }

  /** To the client each connection looks as if the server had closed it; to the server it is open. */
  halfClose(): void {
    for (const { client, server } of this.#pairs) {
      silence(server)
      client.end()
    }
  }

  /** Each piece of data is passed on so many milliseconds later, in order. */
  delay(milliseconds: number): void {
    this.#delay = milliseconds
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    await inTime(closed, patience, () => `${this.#pairs.size} connections through a proxy to be gone`)
  }

  #accept(client: Socket, port: number): void {
    if (this.#refusing) {
      client.destroy()
      return
    }
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const pair = { client, server }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    this.#pass(client, server, end)
    this.#pass(server, client, end)
  }

  #pass(from: Socket, to: Socket, end: () => void): void {
    let waiting = 0
    let last: Promise<unknown> = Promise.resolve()
    // What is delayed is not overtaken by what comes when the delay is over.
    const passed = (action: () => void): void => {
      if (this.#delay === 0 && waiting === 0) {
        action()
        return
      }
      waiting++
      const due = setTimeout(this.#delay)
      last = last
        .then(() => due)
        .then(() => {
          waiting--
          if (!to.destroyed) action()
        })
    }
    from.setNoDelay(true)
    from.on('error', end)
    from.on('close', end)
    from.on('data', chunk => passed(() => to.write(chunk)))
    from.on('end', () => passed(() => to.end()))
  }
}

const listens = (socket: Socket): boolean => socket.listenerCount('data') > 0

function silence(socket: Socket): void {
  socket.removeAllListeners('data')
  socket.removeAllListeners('end')
  socket.resume()
}
