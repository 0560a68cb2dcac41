import { AegisError } from '@aegis/storage'
import type { ReadLimits } from './partition-reader.ts'
import type { Topic } from './topic.ts'

/** What one read or one page of a follower may bring, unless it is said. */
export const defaultMaxBytes = 16_000_000

/** @throws AegisError `PARTITION_UNKNOWN` */
export function checkPartition({ config: { name, partitions } }: Topic, partition: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return
  throw new AegisError(
    'PARTITION_UNKNOWN',
    `partition ${String(partition)} of topic ${name}: it has 0 to ${partitions - 1}`,
  )
}

/** @throws AegisError `LOG_INVALID` */
export function checkRead(from: number, { maxRecords, maxBytes }: ReadLimits): void {
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new AegisError('LOG_INVALID', `from is ${String(from)}: give an offset`)
  }
  for (const [option, value] of Object.entries({ maxRecords, maxBytes })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new AegisError('LOG_INVALID', `${option} is ${String(value)}: give a whole number of at least 1`)
    }
  }
}
