import type { Log, LogRecord } from '@aegis/log'
import { deadLetterTopic } from './dead-letters.ts'
import { wakeRetries } from './retry-queue.ts'
import { encodeRetry, retryKey, retrySpace } from './retry-rows.ts'
import { invalid } from './settings.ts'

export interface RedriveOptions {
  /** How many at most. Default: all that are there when it begins. */
  limit?: number
}

/** How far a group's dead letters were moved back, in a private key space: so two who move at the same time do not both. */
const space = '$redriven'
const mostAtOnce = 100

/**
 * Moves what a group could not handle from the dead letters back to it: to the group alone, for others have handled it,
 * with its attempts counted anew, and in the order in which the topic had it. In transactions of up to 100 messages each;
 * each message is moved once, whoever calls. Gives how many were moved.
 * @throws AegisError `TOPIC_UNKNOWN`, `SUBSCRIPTION_INVALID`
 */
export async function redrive(
  log: Log,
  topic: string,
  groupId: string,
  { limit = Number.MAX_SAFE_INTEGER }: RedriveOptions = {},
): Promise<number> {
  if (typeof groupId !== 'string' || groupId === '') {
    invalid(`groupId is ${JSON.stringify(groupId)}: give the group that gets its dead letters back`)
  }
  if (!Number.isSafeInteger(limit) || limit < 0) invalid(`limit of redrive is ${String(limit)}: give a whole number`)
  const description = log.topic(topic)
  const dead = deadLetterTopic(topic)
  if (!(await log.listTopics()).some(({ name }) => name === dead)) return 0
  const retries = retrySpace(description, groupId)
  const key = Buffer.from(JSON.stringify([topic, description.incarnation, groupId]))
  const end = await log.endOffset(dead)
  let moved = 0
  for (let from = 0; moved < limit && from < end; ) {
    const some = await log.transaction(async tx => {
      from = Number(Buffer.from((await tx.getState(space, key)) ?? []).toString() || 0)
      const page = await log.read(dead, 0, { from, maxRecords: mostAtOnce, maxBytes: 1_000_000 })
      from = page.nextOffset
      let count = 0
      for (const record of page.records) {
        const origin = originOf(record)
        if (origin.group !== groupId || origin.topic !== topic) continue
        if (moved + count === limit) {
          from = record.offset
          break
        }
        const { partition, offset, version } = origin
        tx.putState(
          retries,
          // Due at once; all of one time, so that they are delivered in the order of the topic.
          retryKey(Math.min(partition, description.partitions - 1), 0, offset),
          encodeRetry({ ...withoutOrigin(record), topic, partition, offset, ...version }, 0),
        )
        count++
      }
      tx.putState(space, key, Buffer.from(String(from)))
      return count
    })
    moved += some
    if (some > 0) wakeRetries(log, retries)
  }
  return moved
}

const prefix = 'dead-letter-'

interface Origin {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Where the topic numbers the records of a key. */
  readonly version: { readonly version?: number }
}

function originOf({ headers }: LogRecord): Origin {
  // The last of a name: a message that has died before carries older ones.
  const text = (name: string): string =>
    Buffer.from(headers.findLast(header => header.key === prefix + name)?.value ?? []).toString()
  const version = text('version')
  return {
    version: version === '' ? {} : { version: Number(version) },
    group: text('group'),
    topic: text('topic'),
    partition: Number(text('partition')),
    offset: Number(text('offset')),
  }
}

const withoutOrigin = ({ key, value, timestamp, headers }: LogRecord) => ({
  key,
  value,
  timestamp,
  headers: headers.filter(header => !header.key.startsWith(prefix)),
})
