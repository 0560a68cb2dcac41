import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { findPrograms, type Program } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { inTime } from './in-time.ts'

export interface ServerOptions {
  /** Default: the newest that is found. */
  readonly program?: Program
  /** Lines that are added to the configuration file: users, TLS, limits. */
  readonly configuration?: string
  /** Lines that are added to its `jetstream` block, such as `sync_interval: always`. */
  readonly jetstream?: string
}

/** Where a server of a cluster is, and who the others are. */
export interface ClusterPlace {
  readonly name: string
  readonly port: number
  readonly routePort: number
  readonly monitorPort: number
  readonly routes: readonly number[]
  /** Whether nobody is told its addresses: they are reached through others only. */
  readonly hidden?: boolean
}

/** Milliseconds in which a server has to be healthy, or gone. */
const patience = 60_000
/** A server that is asked how it is may take so long, in milliseconds, before it is asked again. */
const longestAnswer = 5_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A NATS server with JetStream on loopback, in a folder of its own. */
export class NatsServer implements AsyncDisposable {
  readonly program: Program
  readonly port: number
  readonly #dir: string
  readonly #monitorPort: number
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #log = ''

  private constructor(program: Program, dir: string, { port, monitorPort }: ClusterPlace) {
    this.program = program
    this.#dir = dir
    this.port = port
    this.#monitorPort = monitorPort
  }

  /** Starts a server alone; resolves when it takes requests. Throws when no program is found. */
  static async start(options: ServerOptions = {}): Promise<NatsServer> {
    const [port = 0, routePort = 0, monitorPort = 0] = await freePorts(3)
    const server = await NatsServer.create({ name: 'alone', port, routePort, monitorPort, routes: [] }, options)
    try {
      await server.restart()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  /** A server that is not started yet. */
  static async create(place: ClusterPlace, options: ServerOptions): Promise<NatsServer> {
    const program = options.program ?? (await findPrograms())[0]
    if (program === undefined) throw new Error('no nats-server is installed: see CONTRIBUTING.md')
    const dir = await mkdtemp(join(tmpdir(), 'aegis-nats-'))
    await writeFile(join(dir, 'server.conf'), configuration(dir, place, options))
    return new NatsServer(program, dir, place)
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** What the server has said so far. */
  get log(): string {
    return this.#log
  }

  /** Starts the process, again with the same folder and port. */
  async restart(): Promise<void> {
    this.launch()
    await this.ready()
  }

  launch(): void {
    if (this.#child !== undefined) throw new Error('the server runs already')
    const child = spawn(this.program.path, ['-c', join(this.#dir, 'server.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    running.add(child)
    child.stderr?.on('data', chunk => (this.#log += String(chunk)))
    this.#exited = new Promise(resolve => {
      child.once('exit', () => {
        running.delete(child)
        if (this.#child === child) this.#child = undefined
        resolve()
      })
    })
  }

  /** Resolves when the server says that it is healthy, JetStream included. */
  async ready(): Promise<void> {
    const deadline = performance.now() + patience
    for (;;) {
      if (this.#child === undefined) throw new Error(`nats-server ended: ${this.#log.slice(-2000)}`)
      const signal = AbortSignal.timeout(longestAnswer)
      const healthy = await fetch(`http://127.0.0.1:${this.#monitorPort}/healthz`, { signal }).then(
        async response => response.ok && (await response.text()) !== '',
        () => false,
      )
      if (healthy) return
      if (performance.now() > deadline)
        throw new Error(`nats-server is not ready after a minute: ${this.#log.slice(-2000)}`)
      // A server tells no one that it has become ready: it must be asked.
      await setTimeout(20)
    }
  }

  /** Ends the process at once, as a crash does; the folder stays. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Freezes the process until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Ends the process and deletes the folder. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#dir, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    child.kill(signal)
    await inTime(this.#exited, patience, () => `nats-server, process ${child.pid}, to end after ${signal}`)
  }
}

function configuration(dir: string, place: ClusterPlace, options: ServerOptions): string {
  const { name, port, routePort, monitorPort, routes, hidden } = place
  // Port 1: what the servers tell one another of it leads nowhere.
  const secrecy = hidden === true ? 'no_advertise: true, advertise: "127.0.0.1:1", ' : ''
  const cluster = `cluster { name: aegis, ${secrecy}listen: "127.0.0.1:${routePort}", routes: [${routes
    .map(route => `"nats://127.0.0.1:${route}"`)
    .join(', ')}] }`
  return [
    `server_name: ${name}`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    `jetstream { store_dir: "${join(dir, 'jetstream')}"\n${options.jetstream ?? ''}\n}`,
    ...(routes.length > 0 ? [cluster] : []),
    options.configuration ?? '',
    '',
  ].join('\n')
}
