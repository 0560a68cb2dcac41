/** What the servers can do, by the oldest version among those that may answer. */
export interface Features {
  readonly version: string
  /** Atomic batch publish: 2.12. */
  readonly transactions: boolean
  /** Messages that go by themselves: 2.11. */
  readonly timeToLive: boolean
  /** Many messages for one request: 2.11. */
  readonly directBatches: boolean
}

/** @param version such as `'2.12.1'` or `'2.14.0-RC.1'` */
export function featuresOf(version: string): Features {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const atLeast = (wanted: number): boolean => major > 2 || (major === 2 && minor >= wanted)
  return { version, transactions: atLeast(12), timeToLive: atLeast(11), directBatches: atLeast(11) }
}
