import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectLog } from '@aegis/log-jetstream'
import { NatsCluster } from '@aegis/nats-server'
import { checkHistory } from './check-history.ts'
import { drain } from './drain.ts'
import { readFinalState } from './final-state.ts'
import type { Anomaly } from './history.ts'
import { breakNetwork, mendNetwork } from './network-faults.ts'
import { Random } from './random.ts'
import { type Line, Recorder } from './recorder.ts'
import { groups } from './topics.ts'

export interface ClusterTortureOptions {
  readonly seed: number
  /** How often each of the three servers is killed, and its network broken twice. */
  readonly rounds: number
  /** Lines of the workloads between two blows. Default 300. */
  readonly lines?: number
  /** Called after each blow. */
  readonly onBlow?: (what: string) => void
}

export interface ClusterTortureResult {
  readonly seed: number
  readonly blows: number
  readonly operations: number
  readonly acknowledged: number
  readonly records: number
  readonly anomalies: readonly Anomaly[]
}

/** A line with the time at which it was said, by the clock that all processes of a machine share. */
type TimedLine = Line & { readonly at: number }

const program = fileURLToPath(new URL('../dist/workload-process.js', import.meta.url))
/** Longer than a member of the workload may be silent. */
const pause = 3_000
/** The network is broken for so long at most: workloads may be able to do nothing meanwhile. */
const longestFault = 8_000

/**
 * Three servers with everything threefold, and two processes that work on it: each server is killed with SIGKILL in turn
 * and started again, the leader among them; the network between it, the clients and the others is delayed, dropped, cut,
 * half-closed and silenced; processes are killed and replaced, or stopped for longer than their session and then go on.
 * What all of them were told is checked against what is there at the end.
 */
export async function clusterTorture(options: ClusterTortureOptions): Promise<ClusterTortureResult> {
  const { seed, rounds, lines = 300, onBlow } = options
  const random = new Random(seed)
  await using cluster = await NatsCluster.start(3, { network: true })
  const url = cluster.urls.join(',')
  // The stream is made before the first process needs it, with all its copies.
  await (await connectLog({ url, replicas: 3 })).close()
  const workloads = new Workloads(url, random)
  let blows = 0
  try {
    workloads.start()
    workloads.start()
    for (let round = 0; round < rounds; round++) {
      for (const [at, server] of cluster.servers.entries()) {
        await workloads.said(lines)
        await server.kill()
        await workloads.said(lines)
        await server.restart()
        onBlow?.(`server ${++blows}`)
        await workloads.said(lines)
        if (random.below(2) === 0) await workloads.replace()
        else await workloads.freeze()
        onBlow?.(`process ${++blows}`)
        for (const _ of [1, 2]) {
          await workloads.said(lines)
          const fault = breakNetwork(cluster.network, at, random)
          onBlow?.(`network ${++blows}: server ${at + 1}, ${fault}`)
          await workloads.said(lines, longestFault)
          mendNetwork(cluster.network, at)
        }
      }
    }
    await workloads.said(lines)
  } finally {
    await workloads.stop()
  }
  await using log = await connectLog({ url })
  const undelivered = await drain(log, line => workloads.told('final', line))
  const final = await readFinalState(log, undelivered.length > 0 ? [] : groups)
  const operations = workloads.operations()
  const anomalies = [...undelivered, ...checkHistory({ operations, final })]
  const records = [...final.records.values()].reduce((sum, list) => sum + list.length, 0)
  const acknowledged = operations.filter(({ outcome }) => outcome === 'ok').length
  return { seed, blows, operations: operations.length, acknowledged, records, anomalies }
}

/** The processes that work on the cluster. */
class Workloads {
  readonly #url: string
  readonly #random: Random
  readonly #lines: { readonly run: string; readonly line: TimedLine }[] = []
  readonly #running = new Map<ChildProcess, string>()
  #started = 0
  #complaint = ''
  #failure: Error | undefined
  #wake: () => void = () => undefined

  constructor(url: string, random: Random) {
    this.#url = url
    this.#random = random
  }

  start(): void {
    const name = `run${++this.#started}`
    const child = spawn(process.execPath, [program, this.#url, String(this.#random.below(2 ** 31)), name, ''], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#running.set(child, name)
    child.stderr.on('data', chunk => (this.#complaint += String(chunk)))
    void this.#listen(child, name)
  }

  /** Resolves after so many more lines, or so many milliseconds; rejects when a process has ended by itself. */
  async said(more: number, longest?: number): Promise<void> {
    const wanted = this.#lines.length + more
    const late = longest === undefined ? undefined : setTimeout(longest, 'late', { ref: false })
    while (this.#lines.length < wanted) {
      if (this.#failure !== undefined) throw this.#failure
      const woken = new Promise<void>(resolve => {
        this.#wake = resolve
      })
      if ((await Promise.race([woken, ...(late === undefined ? [] : [late])])) === 'late') return
    }
  }

  async replace(): Promise<void> {
    const [child] = this.#running.keys()
    if (child !== undefined) await this.#kill(child)
    this.start()
  }

  /** One of them stands still for so long that the others take over what it had. */
  async freeze(): Promise<void> {
    const [child] = this.#running.keys()
    child?.kill('SIGSTOP')
    await setTimeout(pause)
    child?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map(child => this.#kill(child)))
  }

  /** A line of this process itself. */
  told(run: string, line: Line): void {
    this.#lines.push({ run, line: { at: Number(process.hrtime.bigint()), ...line } })
  }

  operations() {
    const recorder = new Recorder()
    // In the order in which it happened, not in the one in which the pipes were read.
    for (const { run, line } of this.#lines.toSorted((a, b) => a.line.at - b.line.at)) recorder.add(run, line)
    return recorder.operations()
  }

  async #kill(child: ChildProcess): Promise<void> {
    this.#running.delete(child)
    const exited = once(child, 'close')
    child.kill('SIGKILL')
    await exited
  }

  async #listen(child: ChildProcess, name: string): Promise<void> {
    for await (const line of createInterface({ input: child.stdout! })) {
      // The last line may be cut off by the kill: it was told no one.
      if (line.endsWith('}')) this.#lines.push({ run: name, line: JSON.parse(line) as TimedLine })
      this.#wake()
    }
    if (!this.#running.delete(child)) return
    this.#failure = new Error(`${name} ended by itself: ${this.#complaint}`)
    this.#wake()
  }
}
