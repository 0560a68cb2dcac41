import type { Log, TopicDescription, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { checkKnown } from '../checked-options.ts'
import { knownTopic, nameOf } from '../known-topic.ts'
import { encodeMessage, type OutgoingMessage } from '../outgoing-message.ts'
import type { Topic } from '../topic.ts'
import { type CatchUp, checkRule, nextOccurrence } from './cron.ts'
import { deleteDue, getDue, putDue, scanDue } from './due-buckets.ts'
import { encodeCron, putCron, type Scheduler, type StoredCron } from './scheduler.ts'
import {
  cronKey,
  cronNameOf,
  cronSpace,
  decodeScheduled,
  dueTimeOf,
  encodeScheduled,
  idOf,
  keyOfId,
  newMessageKey,
  placeOfWaiting,
  type ScheduledRecord,
} from './stored-schedule.ts'

/** A message that waits for its time; it is known by its `id` until then. */
export interface ScheduledMessage {
  readonly topic: string
  /** For `schedules.cancel`. */
  readonly id: string
  /** When it comes into its topic, in milliseconds since the epoch. */
  readonly dueAt: number
}

/** A delayed message, or a cron schedule with its next occurrence; the id of a cron schedule is its name. */
export interface ScheduleDescription extends ScheduledMessage {
  readonly cron?: string
  readonly timeZone?: string
}

export interface CronScheduleOptions<In = Untyped> {
  readonly topic: string | Topic<In, Untyped>
  /** Published at each occurrence, with its time as `timestamp`. */
  readonly message: OutgoingMessage<NoInfer<In>> & { readonly messageId?: undefined }
  /** Such as `'0 8 * * MON-FRI'`, with seconds `'30 0 8 * * *'`. */
  readonly cron: string
  /** Such as `'Europe/Vienna'`. Default `'UTC'`. */
  readonly timeZone?: string
  /** What becomes of occurrences that passed while nothing ran. Default `'latest'`: the last of them is published, once. */
  readonly catchUp?: CatchUp
}

export interface ListSchedulesOptions {
  /** Default: of all topics. */
  readonly topic?: string | Topic<Untyped, Untyped>
  /** Default 1000. */
  readonly limit?: number
}

/** What is to come into topics later: delayed messages, and messages that come again and again. */
export class Schedules {
  readonly #log: Log
  readonly #scheduler: Scheduler

  constructor(log: Log, scheduler: Scheduler) {
    this.#log = log
    this.#scheduler = scheduler
  }

  /**
   * A schedule by cron expression. A program can be run twice: with the same settings the schedule goes on as it is, with
   * others it is changed to them.
   * @throws AegisError `SCHEDULE_INVALID`, `TOPIC_UNKNOWN`, and what `publish` throws for the message
   */
  async set<In = Untyped>(name: string, options: CronScheduleOptions<In>): Promise<ScheduleDescription> {
    checkName(name)
    checkKnown('schedules.set', options, ['topic', 'message', 'cron', 'timeZone', 'catchUp'])
    const { topic, message, cron, timeZone = 'UTC', catchUp = 'latest' } = options
    checkRule(name, { cron, timeZone, catchUp })
    const description = await knownTopic(this.#log, nameOf(topic))
    // What is no message at all is told by its encoding.
    if (
      typeof message === 'object' &&
      message !== null &&
      ('messageId' in message || 'deliverAt' in message || 'delay' in message)
    ) {
      throw new AegisError(
        'SCHEDULE_INVALID',
        `schedule ${JSON.stringify(name)}: its message comes again and again, so it has no messageId, deliverAt or delay`,
      )
    }
    const rules = typeof topic === 'string' ? undefined : topic
    const record = encodeMessage(description, message, rules)
    const scheduled = {
      topic: description.name,
      record,
      ttl: message.ttl,
      messageId: undefined,
      cron,
      timeZone,
      catchUp,
    }
    const dueAt = await this.#log.transaction(async tx => {
      const stored = await tx.getState(cronSpace, Buffer.from(name))
      if (stored !== undefined) {
        const { nextAt } = decodeScheduled<StoredCron>(stored)
        if (Buffer.compare(stored, encodeCron(scheduled, nextAt)) === 0) return nextAt
        deleteDue(tx, cronKey(nextAt, name))
      }
      // checkRule has seen that there is one.
      const nextAt = nextOccurrence(name, scheduled, this.#log.now()) ?? Number.MAX_SAFE_INTEGER
      putCron(tx, name, encodeCron(scheduled, nextAt), nextAt)
      tx.onCommit(() => this.#scheduler.wakeAt(nextAt))
      return nextAt
    })
    return { topic: description.name, id: name, dueAt, cron, timeZone }
  }

  /** What is to come, soonest first. */
  async list(options: ListSchedulesOptions = {}): Promise<ScheduleDescription[]> {
    checkKnown('schedules.list', options, ['topic', 'limit'])
    const { topic, limit = 1000 } = options
    const name = topic === undefined ? undefined : nameOf(topic)
    const found: ScheduleDescription[] = []
    if (limit <= 0) return found
    for await (const [key, value] of scanDue(this.#log)) {
      const schedule = await this.#describe(key, value)
      if (schedule === undefined || (name !== undefined && schedule.topic !== name)) continue
      if (found.push(schedule) >= limit) break
    }
    return found
  }

  /** Takes back a delayed message by its `id`, or a cron schedule by its name. `false` when there is none (any more). */
  async cancel(id: string): Promise<boolean> {
    if (typeof id !== 'string') {
      throw new AegisError(
        'SCHEDULE_INVALID',
        `cancel takes the id of a message or the name of a schedule, not ${String(id)}`,
      )
    }
    return this.#log.transaction(async tx => {
      const key = keyOfId(id) ?? (await this.#dueKeyOf(tx, id))
      const value = key === undefined ? undefined : await getDue(tx, key)
      if (key === undefined || value === undefined) return false
      deleteDue(tx, key)
      if (cronNameOf(key) !== undefined) tx.deleteState(cronSpace, Buffer.from(id))
      else await this.#forgetNote(tx, decodeScheduled(value))
      return true
    })
  }

  async #dueKeyOf(tx: Transaction, name: string): Promise<Uint8Array | undefined> {
    const stored = await tx.getState(cronSpace, Buffer.from(name))
    return stored === undefined ? undefined : cronKey(decodeScheduled<StoredCron>(stored).nextAt, name)
  }

  async #forgetNote(tx: Transaction, scheduled: ScheduledRecord): Promise<void> {
    try {
      const noted = placeOfWaiting(await knownTopic(this.#log, scheduled.topic), scheduled)
      if (noted !== undefined) tx.deleteState(...noted)
    } catch (error) {
      if (!AegisError.is(error, 'TOPIC_UNKNOWN')) throw error
    }
  }

  async #describe(key: Uint8Array, value: Uint8Array): Promise<ScheduleDescription | undefined> {
    const dueAt = dueTimeOf(key)
    const name = cronNameOf(key)
    if (name === undefined) return { topic: decodeScheduled(value).topic, id: idOf(key), dueAt }
    const stored = await this.#log.getState(cronSpace, Buffer.from(name))
    if (stored === undefined) return undefined
    const { topic, cron, timeZone } = decodeScheduled<StoredCron>(stored)
    return { topic, id: name, dueAt, cron, timeZone }
  }
}

/** Stores a message that is to come into its topic later. */
export function schedule(
  tx: Transaction,
  scheduler: Scheduler,
  scheduled: ScheduledRecord,
  dueAt: number,
): ScheduledMessage {
  const key = newMessageKey(dueAt)
  putDue(tx, key, encodeScheduled(scheduled))
  tx.onCommit(() => scheduler.wakeAt(dueAt))
  return { topic: scheduled.topic, id: idOf(key), dueAt }
}

/** As `schedule`; if one with its id waits already, that is all; if one of its `debounce` does, this one takes its place. */
export async function scheduleKnown(
  tx: Transaction,
  scheduler: Scheduler,
  topic: TopicDescription,
  scheduled: ScheduledRecord,
  dueAt: number,
): Promise<ScheduledMessage> {
  const noted = placeOfWaiting(topic, scheduled)
  if (noted === undefined) return schedule(tx, scheduler, scheduled, dueAt)
  const stored = await tx.getState(...noted)
  if (stored !== undefined) {
    const id = Buffer.from(stored).toString()
    const key = keyOfId(id)!
    if (scheduled.messageId !== undefined) return { topic: topic.name, id, dueAt: dueTimeOf(key) }
    deleteDue(tx, key)
  }
  const message = schedule(tx, scheduler, scheduled, dueAt)
  tx.putState(...noted, Buffer.from(message.id))
  return message
}

const longestName = 200

function checkName(name: string): void {
  if (typeof name === 'string' && name !== '' && name.length <= longestName && name.isWellFormed() && name[0] !== '$')
    return
  throw new AegisError(
    'SCHEDULE_INVALID',
    `the name of a schedule is ${JSON.stringify(name)}: give 1 to ${longestName} characters that do not start with $`,
  )
}
