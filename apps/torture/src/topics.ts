/** What the workload works on. */
export const topics = {
  plain: 'plain',
  copies: 'copies',
  keyed: 'keyed',
  /** Compacted: of each key only the last record stays. */
  rows: 'rows',
  /** Histories that are truncated. */
  streams: 'streams',
  /** What the groups of subscriptions are handed. */
  jobs: 'jobs',
  /** What the handlers of the group `exactly-once` have made of the jobs. */
  outputs: 'outputs',
} as const
export const partitions = 4
export const groupId = 'copiers'
/** Groups of `jobs`, one for each way of delivering. */
export const groups = ['shared', 'at-least-once', 'at-most-once', 'exactly-once'] as const
export type Group = (typeof groups)[number]
/** Of the group `shared`, in milliseconds: short, so that those of a killed process lapse in the next ones. */
export const lease = 2_000
/** What the handler of the group `exactly-once` writes for a job. */
export const outputOf = (job: string): string => `done ${job}`
export const keys = ['a', 'b', 'c', 'd', 'e', 'f'] as const

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString()
