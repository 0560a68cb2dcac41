import { BatchWriter } from './batch-writer.ts'
import { type BatchRecordInput, maxInt32, noHeaders, type RecordBatchOptions, refused } from './layout.ts'

const checkedInteger = (name: string, value: number, low: number, high: number): void => {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw refused(`${name} is ${value}: give a whole number from ${low} to ${high}`)
  }
}

/**
 * The records as one Apache Kafka RecordBatch v2, uncompressed. Throws `LOG_INVALID` for what such a batch cannot hold.
 */
export function encodeRecordBatch(records: readonly BatchRecordInput[], options: RecordBatchOptions): Uint8Array {
  const { baseOffset, producerId = -1, producerEpoch = -1, baseSequence = -1 } = options
  checkedInteger('baseOffset', baseOffset, 0, Number.MAX_SAFE_INTEGER)
  checkedInteger('producerId', producerId, -1, Number.MAX_SAFE_INTEGER)
  checkedInteger('producerEpoch', producerEpoch, -1, 0x7fff)
  checkedInteger('baseSequence', baseSequence, -1, maxInt32)
  if (records.length === 0) throw refused('a batch has at least one record')

  const writer = new BatchWriter({ baseOffset, firstTimestamp: records[0]!.timestamp })
  let lastDelta = -1
  for (let i = 0; i < records.length; i++) {
    const { key = null, value, headers = noHeaders, timestamp, offset = baseOffset + i } = records[i]!
    if (!Number.isSafeInteger(timestamp)) {
      throw refused(`timestamp of record ${i} is ${timestamp}: give whole milliseconds`)
    }
    const delta = offset - baseOffset
    if (!Number.isSafeInteger(offset) || delta <= lastDelta || delta > maxInt32) {
      throw refused(
        `offset of record ${i} is ${offset}: offsets rise strictly and are within ${maxInt32} of ${baseOffset}`,
      )
    }
    lastDelta = delta
    writer.append(offset, timestamp, key, value, headers)
  }
  return writer.finish({ producerId, producerEpoch, baseSequence })
}
