/** What the workload works on. */
export const topics = {
  plain: 'plain',
  copies: 'copies',
  keyed: 'keyed',
  /** Compacted: of each key only the last record stays. */
  rows: 'rows',
  /** Histories that are truncated. */
  streams: 'streams',
} as const
export const partitions = 4
export const groupId = 'copiers'
export const keys = ['a', 'b', 'c', 'd', 'e', 'f'] as const

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString()
