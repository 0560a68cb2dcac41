import type { Log, LogRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { checkKnown } from './checked-options.ts'
import { DeliveredMessage, type StoredMessage } from './message.ts'
import { isExpired } from './reserved-headers.ts'

export interface HistoryOptions {
  /** The messages that follow this offset, oldest first from there. For the next page: the offset of the last message of this one. */
  readonly after?: number
  /** The newest messages below this offset. For the page before: the offset of the first message of this one. */
  readonly before?: number
  /** Largest number of messages. Default 100. */
  readonly limit?: number
}

const longestPage = 10_000
const undelivered = { attempts: 0, ack: () => undefined, nack: () => undefined, extend: async () => undefined }

/** Messages of all partitions in the order of offsets. */
export async function readHistory<Out>(
  log: Log,
  topic: string,
  decode: (record: LogRecord) => Out,
  options: HistoryOptions,
): Promise<StoredMessage<Out>[]> {
  checkKnown('history', options, ['after', 'before', 'limit'])
  const { after, before, limit = 100 } = options
  check('limit', limit, 1, longestPage)
  if (after !== undefined) check('after', after, -1, Number.MAX_SAFE_INTEGER)
  if (before !== undefined) check('before', before, 0, Number.MAX_SAFE_INTEGER)
  const { partitions } = await log.describeTopic(topic)
  const end = Math.min(before ?? Infinity, await log.endOffset(topic))
  const wanted = (record: LogRecord): boolean => record.offset < end && !isExpired(record, log)
  const found: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const read = after === undefined ? newest(log, topic, partition, end, limit, wanted) : first(after + 1, partition)
    found.push(...(await read))
  }
  found.sort((a, b) => a.offset - b.offset)
  const page = after === undefined ? found.slice(-limit) : found.slice(0, limit)
  return page.map(record => new DeliveredMessage(record, undelivered, decode))

  async function first(from: number, partition: number): Promise<LogRecord[]> {
    const records: LogRecord[] = []
    for await (const record of forward(log, topic, partition, from, end)) {
      if (wanted(record) && records.push(record) === limit) break
    }
    return records
  }
}

/** The last records of a partition. Offsets are sparse, so it goes back further and further until there are enough. */
async function newest(
  log: Log,
  topic: string,
  partition: number,
  end: number,
  limit: number,
  wanted: (record: LogRecord) => boolean,
): Promise<LogRecord[]> {
  const start = await log.startOffset(topic, partition)
  let records: LogRecord[] = []
  for (let to = end, span = limit; to > start && records.length < limit; span *= 4) {
    const from = Math.max(start, to - span)
    const older: LogRecord[] = []
    for await (const record of forward(log, topic, partition, from, to)) {
      if (!wanted(record)) continue
      older.push(record)
      if (older.length > 2 * limit) older.splice(0, limit)
    }
    records = [...older, ...records].slice(-limit)
    to = from
  }
  return records
}

async function* forward(
  log: Log,
  topic: string,
  partition: number,
  from: number,
  to: number,
): AsyncGenerator<LogRecord> {
  for (let next = from; next < to; ) {
    const { records, nextOffset } = await log.read(topic, partition, { from: next })
    for (const record of records) {
      if (record.offset >= to) return
      yield record
    }
    if (nextOffset <= next) return
    next = nextOffset
  }
}

function check(option: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new AegisError(
    'PUBSUB_INVALID',
    `${option} of history is ${JSON.stringify(value)}: give a whole number from ${least} to ${most}`,
  )
}
