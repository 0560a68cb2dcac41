import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inTime } from '@aegis/nats-server'
import { completeLines } from './complete-lines.ts'
import type { Operation } from './history.ts'
import type { Random } from './random.ts'
import { type Line, Recorder } from './recorder.ts'

/** A line with the time at which it was said, by the clock that all processes of a machine share. */
type TimedLine = Line & { readonly at: number }

interface Running {
  readonly name: string
  readonly closed: Promise<void>
}

const program = fileURLToPath(new URL('../dist/workload-process.js', import.meta.url))
/** Longer than a member of the workload may be silent. */
const pause = 3_000
/** Milliseconds without a word from any of them, after which something waits for ever: all that they ask for has an answer or fails before. */
const longestSilence = 180_000
/** Milliseconds in which a process that is asked to end has done so: what it has begun has an answer or fails before. */
const longestEnd = 180_000
/** The same for one that is killed. */
const longestKill = 30_000

/** The processes that work on the cluster. */
export class Workloads {
  readonly #url: string
  readonly #random: Random
  readonly #lines: { readonly run: string; readonly line: TimedLine }[] = []
  readonly #running = new Map<ChildProcess, Running>()
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
    // Listened to from the beginning: whoever waits for it later may come after it.
    const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
    this.#running.set(child, { name, closed })
    child.stderr.on('data', chunk => (this.#complaint += String(chunk)))
    void this.#listen(child, name)
  }

  /**
   * Resolves after so many more lines, or so many milliseconds; rejects when a process has ended by itself, and when none of them
   * says anything any more.
   */
  async said(more: number, longest = Number.POSITIVE_INFINITY): Promise<void> {
    const wanted = this.#lines.length + more
    const deadline = performance.now() + longest
    while (this.#lines.length < wanted) {
      if (this.#failure !== undefined) throw this.#failure
      const left = deadline - performance.now()
      if (left <= 0) return
      if (!(await this.#anotherLine(Math.min(left, longestSilence))) && left > longestSilence) throw this.#standstill()
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
    try {
      await setTimeout(pause)
    } finally {
      child?.kill('SIGCONT')
    }
  }

  /** Asks the one that has run longest to end: everything that it waits for comes, or fails, and then nothing keeps it. */
  async end(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const [child] = this.#running.keys()
    if (child === undefined) return
    const { name, closed } = this.#running.get(child)!
    this.#running.delete(child)
    try {
      child.kill('SIGTERM')
      await inTime(closed, longestEnd, () => `${name} to end when it was asked to: ${this.#complaint}`)
    } finally {
      child.kill('SIGKILL')
    }
    if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode}: ${this.#complaint}`)
  }

  async kill(): Promise<void> {
    await Promise.all([...this.#running.keys()].map(child => this.#kill(child)))
  }

  /** A line of this process itself. */
  told(run: string, line: Line): void {
    this.#lines.push({ run, line: { at: Number(process.hrtime.bigint()), ...line } })
  }

  operations(): Operation[] {
    const recorder = new Recorder()
    // In the order in which it happened, not in the one in which the pipes were read.
    for (const { run, line } of this.#lines.toSorted((a, b) => a.line.at - b.line.at)) recorder.add(run, line)
    return recorder.operations()
  }

  async #kill(child: ChildProcess): Promise<void> {
    const { name, closed } = this.#running.get(child)!
    this.#running.delete(child)
    child.kill('SIGKILL')
    await inTime(closed, longestKill, () => `${name}, process ${child.pid}, to be gone after SIGKILL`)
  }

  /** Whether anything is said in so many milliseconds. */
  async #anotherLine(milliseconds: number): Promise<boolean> {
    const over = new AbortController()
    const woken = new Promise<boolean>(resolve => {
      this.#wake = () => resolve(true)
    })
    const late = setTimeout(milliseconds, false, { signal: over.signal }).catch(() => false)
    try {
      return await Promise.race([woken, late])
    } finally {
      over.abort()
    }
  }

  #standstill(): Error {
    const names = [...this.#running.values()].map(({ name }) => name).join(' and ')
    const last = this.#lines.slice(-5).map(({ run, line }) => `${run} ${JSON.stringify(line)}`)
    return new Error(`${names} have said nothing for ${longestSilence / 1000} s; the last was\n${last.join('\n')}`)
  }

  async #listen(child: ChildProcess, name: string): Promise<void> {
    for await (const line of completeLines(child.stdout!)) {
      this.#lines.push({ run: name, line: JSON.parse(line) as TimedLine })
      this.#wake()
    }
    if (!this.#running.delete(child)) return
    this.#failure = new Error(`${name} ended by itself: ${this.#complaint}`)
    this.#wake()
  }
}
