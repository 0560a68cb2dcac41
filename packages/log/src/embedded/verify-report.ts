import type { StorageReport } from '@aegis/storage'

/** Something in a log that does not fit with the rest. */
export interface LogProblem {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  /** In hex. */
  readonly key?: string
  readonly reason: string
}

export interface LogReport {
  /** Whether all is as it was written and fits together. */
  readonly sound: boolean
  readonly storage: StorageReport
  readonly topics: number
  readonly batches: number
  readonly records: number
  /** The first 1,000. Not looked for when the storage is damaged. */
  readonly problems: readonly LogProblem[]
}

/** What is found while a log is verified. */
export class Findings {
  readonly problems: LogProblem[] = []
  batches = 0
  records = 0

  add(problem: LogProblem): void {
    if (this.problems.length < 1_000) this.problems.push(problem)
  }
}

export const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')
