import type { Log, TopicDescription, Transaction } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { isLogGone, knownTopic } from '../known-topic.ts'
import type { MessageIds } from '../message-ids.ts'
import { withExpiry } from '../outgoing-message.ts'
import { type CronRule, occurrencesDue } from './cron.ts'
import { deleteDue, getDue, lookForDue, putDue } from './due-buckets.ts'
import {
  cronKey,
  cronNameOf,
  cronSpace,
  decodeScheduled,
  dueTimeOf,
  encodeScheduled,
  idOf,
  placeOfWaiting,
  type ScheduledRecord,
  withDueTime,
} from './stored-schedule.ts'

/** A cron schedule as it is stored. */
export interface StoredCron extends CronRule {
  readonly nextAt: number
}

/** What another process has scheduled is found after this time at the latest. */
const pollInterval = 10_000
const mostAtOnce = 100
/** What cannot be published, because its topic was given a smaller `maxMessageSize`, is tried again after this time. */
const retryDelay = 60_000

/**
 * Moves what is due into its topics: the message appears and the schedule's entry goes in one transaction. So it is there
 * once, however often the process is killed and however many processes do the same: one of their transactions wins.
 */
export class Scheduler {
  readonly #log: Log
  readonly #messageIds: MessageIds
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #moving: Promise<void> = Promise.resolve()
  #closed = false

  constructor(log: Log, messageIds: MessageIds) {
    this.#log = log
    this.#messageIds = messageIds
    // What an earlier run of the program has scheduled.
    this.wakeAt(0)
  }

  /** To be called when something was scheduled for a time. */
  wakeAt(time: number): void {
    if (this.#closed || time >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = time
    const delay = Math.min(Math.max(time - this.#log.now(), 0), pollInterval)
    this.#timer = setTimeout(() => void this.#background(), delay)
    this.#timer.unref()
  }

  /** Moves all that is due now. */
  moveDue(): Promise<void> {
    const moved = this.#moving.then(() => this.#moveAll())
    this.#moving = moved.catch(() => undefined)
    return moved
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#moving
  }

  async #background(): Promise<void> {
    this.#timerAt = Infinity
    try {
      await this.moveDue()
    } catch (error) {
      if (isLogGone(error)) return
      process.emitWarning(`scheduled messages wait: ${String(error)}`, { code: 'AEGIS_SCHEDULER' })
    }
    this.wakeAt(this.#log.now() + pollInterval)
  }

  async #moveAll(): Promise<void> {
    while (!this.#closed) {
      const { keys, lookAgainAt } = await lookForDue(this.#log, this.#log.now(), mostAtOnce)
      // An occurrence of a cron schedule may bring the next, which is due as well: so it is looked for until there is none.
      if (keys.length === 0) {
        this.wakeAt(lookAgainAt)
        return
      }
      await this.#moveTogether(keys)
    }
  }

  async #moveTogether(keys: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#log.transaction(async tx => {
        for (const key of keys) await this.#move(tx, key)
      })
    } catch (error) {
      // Another process is at the same, and one of us has done it.
      if (AegisError.is(error, 'TRANSACTION_CONFLICT')) return
      if (!isOfOne(error)) throw error
      for (const key of keys) await this.#moveAlone(key)
    }
  }

  async #moveAlone(key: Uint8Array): Promise<void> {
    try {
      await this.#log.transaction(tx => this.#move(tx, key))
    } catch (error) {
      if (AegisError.is(error, 'TRANSACTION_CONFLICT')) return
      if (!isOfOne(error)) throw error
      process.emitWarning(`a scheduled message cannot be published, and waits: ${String(error)}`, {
        code: 'AEGIS_SCHEDULER',
      })
      await this.#postpone(key)
    }
  }

  async #postpone(key: Uint8Array): Promise<void> {
    const name = cronNameOf(key)
    const dueAt = this.#log.now() + retryDelay
    await this.#log.transaction(async tx => {
      const value = await getDue(tx, key)
      if (value === undefined) return
      const later = withDueTime(key, dueAt)
      deleteDue(tx, key)
      putDue(tx, later, value)
      if (name === undefined) {
        const scheduled = decodeScheduled(value)
        const topic = await this.#topicOf(scheduled)
        const noted = topic && placeOfWaiting(topic, scheduled)
        if (noted !== undefined) tx.putState(...noted, Buffer.from(idOf(later)))
        return
      }
      const stored = await tx.getState(cronSpace, Buffer.from(name))
      if (stored === undefined) return
      tx.putState(cronSpace, Buffer.from(name), encodeCron(decodeScheduled<StoredCron>(stored), dueAt))
    })
  }

  async #move(tx: Transaction, key: Uint8Array): Promise<void> {
    const value = await getDue(tx, key)
    // Another process has moved it, or it was cancelled.
    if (value === undefined) return
    deleteDue(tx, key)
    const name = cronNameOf(key)
    if (name !== undefined) return this.#moveOccurrence(tx, name, dueTimeOf(key))
    const scheduled = decodeScheduled(value)
    const topic = await this.#topicOf(scheduled)
    // Its topic was deleted, and with it all its messages.
    if (topic === undefined) return
    const noted = placeOfWaiting(topic, scheduled)
    if (noted !== undefined) tx.deleteState(...noted)
    await this.#publish(tx, topic, scheduled, dueTimeOf(key))
  }

  async #moveOccurrence(tx: Transaction, name: string, dueAt: number): Promise<void> {
    const key = Buffer.from(name)
    const stored = await tx.getState(cronSpace, key)
    if (stored === undefined) return
    const schedule = decodeScheduled<StoredCron>(stored)
    const { publish, next } = occurrencesDue(name, schedule, dueAt, this.#log.now())
    const topic = await this.#topicOf(schedule)
    if (topic !== undefined && publish !== undefined) {
      const { timestamp = publish } = schedule.record
      await this.#publish(tx, topic, { ...schedule, record: { ...schedule.record, timestamp } }, publish)
    }
    if (next === undefined || topic === undefined) tx.deleteState(cronSpace, key)
    else putCron(tx, name, encodeCron(schedule, next), next)
  }

  async #publish(
    tx: Transaction,
    topic: TopicDescription,
    { record, ttl, messageId }: ScheduledRecord,
    dueAt: number,
  ): Promise<void> {
    const { timestamp = this.#log.now() } = record
    const complete = withExpiry(topic.name, { ...record, timestamp }, ttl, dueAt)
    if (messageId === undefined) tx.append(topic.name, complete)
    else await this.#messageIds.append(tx, topic, [{ record: complete, messageId }])
  }

  async #topicOf({ topic }: ScheduledRecord): Promise<TopicDescription | undefined> {
    try {
      return await knownTopic(this.#log, topic)
    } catch (error) {
      if (AegisError.is(error, 'TOPIC_UNKNOWN')) return undefined
      throw error
    }
  }
}

/** A schedule with its next occurrence. */
export function encodeCron(schedule: ScheduledRecord & CronRule, nextAt: number): Uint8Array {
  const { cron, timeZone, catchUp } = schedule
  return encodeScheduled(schedule, { cron, timeZone, catchUp, nextAt })
}

/** Stores a schedule and what makes its next occurrence due. */
export function putCron(tx: Transaction, name: string, encoded: Uint8Array, nextAt: number): void {
  tx.putState(cronSpace, Buffer.from(name), encoded)
  putDue(tx, cronKey(nextAt, name), Uint8Array.of(1))
}

/** Whether an error comes of one message, and so is no reason for the others to wait. */
const isOfOne = (error: unknown): boolean =>
  AegisError.is(error) &&
  [
    'RECORD_TOO_LARGE',
    'PARTITION_UNKNOWN',
    'LOG_INVALID',
    'TRANSACTION_TOO_LARGE',
    'TRANSACTION_TOO_OLD',
    'BATCH_INVALID',
  ].includes(error.code)
