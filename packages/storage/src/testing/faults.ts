import { AegisError } from '../errors.ts'
import type { SeededRandom } from './seeded-random.ts'

/** What a storage asks of its disk. A commit is one write; a `getMany` and a step of a range are one read each. */
export type DiskOperation = 'read' | 'write'

/** What became of a write that failed; its caller sees an error every time. */
export type FailedWrite =
  /** Nothing of it is there: the disk was full. */
  | 'refused'
  /** All of it is there: only the answer was an error, as after a failed fsync. */
  | 'stored'
  /** One of the two, by the seed. */
  | 'either'
  /** The first part of its operations is there. No sound disk under LevelDB does this; it shows whether a test can fail. */
  | 'torn'

export interface Fault {
  /** What counts towards `at`. Default `'write'`. */
  operation?: DiskOperation | 'any'
  /** Which one fails: 1, the default, is the next. */
  at?: number
  /** Whether every later one fails too. Default false. */
  repeat?: boolean
  /** Default `'refused'`. */
  outcome?: FailedWrite
  /** What the operating system says. Default `'EIO'`; `'ENOSPC'`: the disk is full. */
  error?: 'EIO' | 'ENOSPC'
}

/** How an operation fails. */
export interface Failure {
  readonly outcome: Exclude<FailedWrite, 'either'>
  readonly error: 'EIO' | 'ENOSPC'
}

interface Planned {
  readonly operation: DiskOperation | 'any'
  left: number
  readonly repeat: boolean
  readonly outcome: FailedWrite
  readonly error: 'EIO' | 'ENOSPC'
}

/** Decides which operations fail and how long they take. */
export class Faults {
  readonly #random: SeededRandom
  #planned: Planned[] = []
  #maxTurns = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  plan({ operation = 'write', at = 1, repeat = false, outcome = 'refused', error = 'EIO' }: Fault): void {
    if (!(Number.isSafeInteger(at) && at > 0)) {
      throw new AegisError('STORAGE_INVALID', `at must be a whole number from 1 on, not ${String(at)}`)
    }
    this.#planned.push({ operation, left: at, repeat, outcome, error })
  }

  delay(maxTurns: number): void {
    this.#maxTurns = maxTurns
  }

  clear(): void {
    this.#planned = []
    this.#maxTurns = 0
  }

  /** What happens to the operation that now begins; undefined when it works. */
  next(operation: DiskOperation): Failure | undefined {
    let failing: Planned | undefined
    for (const fault of this.#planned) {
      if (fault.operation !== 'any' && fault.operation !== operation) continue
      fault.left--
      if (fault.left === 0 || (fault.left < 0 && fault.repeat)) failing ??= fault
    }
    this.#planned = this.#planned.filter(({ left, repeat }) => left > 0 || repeat)
    if (failing === undefined) return undefined
    const { outcome, error } = failing
    return { error, outcome: outcome === 'either' ? (this.#random.fraction() < 0.5 ? 'refused' : 'stored') : outcome }
  }

  /** Waits some turns of the event loop. */
  async wait(): Promise<void> {
    if (this.#maxTurns === 0) return
    for (let turns = this.#random.integer(this.#maxTurns + 1); turns > 0; turns--) {
      await new Promise<void>(resolve => setImmediate(resolve))
    }
  }
}

/** The error of an operation that was made to fail, as the operating system would word it. */
export function injectedError(operation: DiskOperation, code: Failure['error']): Error {
  const words = code === 'EIO' ? 'i/o error' : 'no space left on device'
  return Object.assign(new Error(`${code}: ${words}, ${operation} (injected)`), { code })
}
