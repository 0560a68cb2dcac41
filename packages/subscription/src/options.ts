import { type LogRecord, parseDuration, parseSize } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { SeekTo } from './feed.ts'

/**
 * `'at-least-once'` (default): acknowledged when you say so. `'at-most-once'`: the position is committed before the
 * messages are handed over. `'exactly-once'`: acknowledged in the transaction that holds the outputs.
 */
export type Delivery = 'at-least-once' | 'at-most-once' | 'exactly-once'

/**
 * How long to wait before the next attempt: milliseconds or `'5s'`, always the same; `'exponential'` 100 ms, 200 ms,
 * 400 ms … 30 s, each shortened by chance by up to a half; or a function of the attempts made so far that gives milliseconds.
 */
export type Backoff = number | string | ((attempts: number) => number)

export interface SubscriptionOptions {
  /** Members of one group share the partitions, and go on where the group was. */
  groupId?: string
  /** Where to start; applies only where the group has no position. Default `'latest'`. */
  from?: SeekTo
  /**
   * `'partitioned'` (default): each partition is one member's, and keeps its order. `'shared'`: any member takes any message,
   * as from a queue, also more members than partitions; every message is leased to whom it is handed over. With members in
   * several processes each process has the messages of the partitions that the group has given it.
   */
  mode?: 'partitioned' | 'shared'
  /**
   * With `mode: 'shared'`: how long a message is nobody else's after it was handed over, also when its holder has died.
   * From half of it on are left when it is handed over. Default `'30s'`.
   */
  lease?: number | string
  /** With `mode: 'shared'`: of what is fetched, the highest number is handed over first. */
  priority?: (record: LogRecord) => number
  /** Default `'at-least-once'`. */
  delivery?: Delivery
  /** Asking for the next item acknowledges the one before. Default false. */
  autoCommit?: boolean
  /** Largest number of records fetched at once, at most 10,000; as many may be fetched ahead. Default 500. */
  maxPollRecords?: number
  /** As `maxPollRecords`, in bytes or `'1MB'`; whatever its size, one record is always fetched. Default `'8MB'`. */
  maxPollBytes?: number | string
  /**
   * How often a message is tried before it goes to the dead letters. Default 5. When given, deliveries that ended with
   * the process or the subscription count too, so that a message that kills its consumer does not do so for ever.
   */
  maxAttempts?: number
  /** Default `'exponential'`. */
  backoff?: Backoff
  /**
   * Without a group there are no dead letters: what cannot be decoded, or was refused `maxAttempts` times, ends the
   * subscription with an error (`'throw'`, default) or is left out (`'skip'`).
   */
  onError?: 'throw' | 'skip'
  /** How long a member of another process may be silent before its partitions go to others. Default `'30s'`. */
  sessionTimeout?: number | string
  /**
   * Names this member of the group: started again within `sessionTimeout` under the same name it has the same partitions again, and
   * nothing moves; a second one of that name takes its place. A log that has no static members refuses it.
   */
  instanceId?: string
  /** Closes the subscription. */
  signal?: AbortSignal
}

export interface RunOptions {
  /** How many handlers run at the same time. Default 1. */
  concurrency?: number
  /**
   * What stays in order, retries included: messages of one key (`'key'`, default; those without a key are free), all of
   * a partition, or nothing. With `mode: 'shared'` nothing does: members of a group take turns.
   */
  order?: 'key' | 'partition' | 'none'
}

/** Options with everything filled in. */
export interface Settings {
  readonly groupId: string | undefined
  readonly shared: boolean
  /** Milliseconds. */
  readonly lease: number
  readonly priority: (record: LogRecord) => number
  readonly from: SeekTo
  readonly delivery: Delivery
  readonly autoCommit: boolean
  readonly maxPollRecords: number
  readonly maxPollBytes: number
  readonly maxAttempts: number
  /** Whether deliveries that were never refused count as attempts. */
  readonly countDeliveries: boolean
  readonly backoff: (attempts: number) => number
  readonly onError: 'throw' | 'skip'
  readonly signal: AbortSignal | undefined
  /** Milliseconds. */
  readonly sessionTimeout: number
  readonly instanceId: string | undefined
  /** As that of `Decode`. */
  readonly prepare?: (records: readonly LogRecord[]) => Promise<void> | undefined
}

const known: ReadonlySet<string> = new Set<keyof SubscriptionOptions>([
  'groupId',
  'from',
  'mode',
  'lease',
  'priority',
  'delivery',
  'autoCommit',
  'maxPollRecords',
  'maxPollBytes',
  'maxAttempts',
  'backoff',
  'onError',
  'sessionTimeout',
  'instanceId',
  'signal',
])

export const invalid = (message: string): never => {
  throw new AegisError('SUBSCRIPTION_INVALID', message)
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value)

function oneOf<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  return allowed.includes(value) ? value : invalid(`${option} is ${show(value)}: give one of ${allowed.join(', ')}`)
}

function whole(option: string, value: number, most: number): number {
  return Number.isInteger(value) && value >= 1 && value <= most
    ? value
    : invalid(`${option} is ${show(value)}: give a whole number from 1 to ${most}`)
}

/** Milliseconds of an option. */
export function duration(option: string, value: number | string): number {
  try {
    return parseDuration(option, value)
  } catch (error) {
    return invalid(error instanceof Error ? error.message : String(error))
  }
}

/** Bytes of an option. */
function size(option: string, value: number | string): number {
  try {
    const bytes = parseSize(option, value)
    return bytes > 0 ? bytes : invalid(`${option} is ${show(value)}: give at least 1`)
  } catch (error) {
    return invalid(error instanceof Error ? error.message : String(error))
  }
}

const longestBackoff = 30_000

function backoffFunction(backoff: Backoff): (attempts: number) => number {
  if (typeof backoff === 'function') return attempts => duration('backoff', Math.round(backoff(attempts)))
  if (backoff !== 'exponential') {
    const fixed = duration('backoff', backoff)
    return () => fixed
  }
  return attempts => {
    const most = Math.min(longestBackoff, 100 * 2 ** (attempts - 1))
    return Math.round(most * (1 - Math.random() / 2))
  }
}

/** @throws AegisError `SUBSCRIPTION_INVALID` */
export function checkSeek(option: string, from: SeekTo): SeekTo {
  const allowed = "'latest', 'earliest', { offset } or { time }"
  if (from === 'latest' || from === 'earliest') return from
  const value =
    typeof from === 'object' && from !== null && Object.keys(from).length === 1
      ? 'offset' in from
        ? from.offset
        : 'time' in from
          ? from.time
          : undefined
      : undefined
  if (!Number.isSafeInteger(value) || Number(value) < 0) {
    return invalid(`${option} is ${show(from)}: give ${allowed}, a whole number of at least 0`)
  }
  return from
}

/** @throws AegisError `SUBSCRIPTION_INVALID`, naming the option, its value and what is allowed */
export function checkOptions(topic: string, options: SubscriptionOptions): Settings {
  for (const option of Object.keys(options)) {
    if (!known.has(option)) {
      invalid(`option ${show(option)} of the subscription of ${topic} is not known: there are ${[...known].join(', ')}`)
    }
  }
  const { groupId, signal, maxAttempts, autoCommit = false } = options
  const delivery = oneOf('delivery', options.delivery ?? 'at-least-once', [
    'at-least-once',
    'at-most-once',
    'exactly-once',
  ])
  if (groupId !== undefined && (typeof groupId !== 'string' || groupId === '' || !groupId.isWellFormed())) {
    invalid(`groupId is ${show(groupId)}: give well-formed text that is not empty`)
  }
  if (groupId === undefined && delivery === 'exactly-once') {
    invalid(`exactly-once on ${topic} needs a groupId: the position is kept with the group`)
  }
  const shared = oneOf('mode', options.mode ?? 'partitioned', ['partitioned', 'shared']) === 'shared'
  if (shared) checkShared(topic, options)
  else if (options.lease !== undefined || options.priority !== undefined) {
    invalid(`lease and priority of ${topic} go with mode: 'shared' only`)
  }
  if (typeof autoCommit !== 'boolean') invalid(`autoCommit is ${show(autoCommit)}: give true or false`)
  if (autoCommit && delivery === 'exactly-once') {
    invalid('autoCommit does not go with exactly-once: the transaction acknowledges')
  }
  return {
    groupId,
    shared,
    lease: duration('lease', options.lease ?? '30s'),
    priority: options.priority ?? (() => 0),
    signal,
    sessionTimeout: duration('sessionTimeout', options.sessionTimeout ?? '30s'),
    instanceId: options.instanceId,
    delivery,
    autoCommit,
    from: checkSeek('from', options.from ?? 'latest'),
    maxPollRecords: whole('maxPollRecords', options.maxPollRecords ?? 500, 10_000),
    maxPollBytes: size('maxPollBytes', options.maxPollBytes ?? '8MB'),
    maxAttempts: whole('maxAttempts', maxAttempts ?? 5, 1_000_000),
    countDeliveries: shared || maxAttempts !== undefined,
    backoff: backoffFunction(options.backoff ?? 'exponential'),
    onError: oneOf('onError', options.onError ?? 'throw', ['throw', 'skip']),
  }
}

function checkShared(topic: string, { groupId, delivery, lease, priority }: SubscriptionOptions): void {
  if (groupId === undefined) invalid(`mode: 'shared' on ${topic} needs a groupId: who shares it`)
  if (delivery === 'at-most-once') invalid(`at-most-once does not go with mode: 'shared' on ${topic}`)
  if (lease !== undefined && duration('lease', lease) < 1) invalid(`lease is ${show(lease)}: give at least 1 ms`)
  if (priority !== undefined && typeof priority !== 'function') {
    invalid(`priority is ${show(priority)}: give a function of the record`)
  }
}

/** @throws AegisError `SUBSCRIPTION_INVALID` */
export function checkRunOptions(options: RunOptions, shared: boolean): Required<RunOptions> {
  if (shared && (options.order ?? 'none') !== 'none') {
    invalid(`order is ${show(options.order)}: with mode: 'shared' there is none`)
  }
  return {
    concurrency: whole('concurrency', options.concurrency ?? 1, 100_000),
    order: oneOf('order', options.order ?? (shared ? 'none' : 'key'), ['key', 'partition', 'none']),
  }
}
