import { AegisError } from '@aegis/storage'
import type { TopicConfig, TopicState } from './topic-state.ts'

/** Where a topic ended in the backup from which its database was made, and where it went on. */
export interface Restored {
  readonly end: number
  readonly next: number
}

/**
 * Offsets that a restored topic leaves out: more than the database of the backup can have given since to records that the
 * backup does not have (four months at 100,000 a second). So a position in one of them belongs to a record that is
 * gone, wherever it was kept, and is never taken for one of another record.
 */
const gap = 2 ** 40

/** The topic as it goes on in a restored database. */
export function restoredConfig(config: TopicConfig, end: number): TopicConfig {
  return { ...config, restored: [...(config.restored ?? []), { end, next: end + gap }] }
}

/** The first offset that the topic may give out. */
export const restoredNext = ({ restored }: TopicConfig): number => restored?.at(-1)?.next ?? 0

/** @throws AegisError `OFFSET_RESET` when the offset was given to a record that a restored database does not have. */
export function assertNotLost({ config }: TopicState, offset: number): void {
  if (config.restored === undefined) return
  for (const { end, next } of config.restored) {
    if (offset <= end || offset >= next) continue
    throw new AegisError(
      'OFFSET_RESET',
      `offset ${offset} of topic ${config.name} is of the database before it was restored, whose records from ${end} on are gone: go on at ${end}, which reads what was appended since, or at 'latest'`,
      { details: { topic: config.name, offset, restoredEnd: end } },
    )
  }
}
