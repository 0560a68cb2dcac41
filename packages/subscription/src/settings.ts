import { type LogRecord, parseDuration, parseSize } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { SeekTo } from './feed.ts'
import type { Backoff, Delivery, RateOptions, RunOptions, SubscriptionOptions } from './options.ts'

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
  /** As those of `Decode`. */
  readonly key?: Uint8Array
  readonly wants?: (record: LogRecord) => boolean
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

function atLeastOne(option: string, value: number | string): number {
  return duration(option, value) || invalid(`${option} is ${show(value)}: give at least 1 ms`)
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
  const { groupId, signal, maxAttempts, instanceId, autoCommit = false } = options
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
  if (groupId === undefined && instanceId !== undefined) {
    invalid(`instanceId on ${topic} needs a groupId: it names a member of the group`)
  }
  if (signal !== undefined && !isSignal(signal)) invalid(`signal is ${show(signal)}: give that of an AbortController`)
  if (typeof autoCommit !== 'boolean') invalid(`autoCommit is ${show(autoCommit)}: give true or false`)
  if (autoCommit && delivery === 'exactly-once') {
    invalid('autoCommit does not go with exactly-once: the transaction acknowledges')
  }
  return {
    groupId,
    shared,
    lease: atLeastOne('lease', options.lease ?? '30s'),
    priority: options.priority ?? (() => 0),
    signal,
    sessionTimeout: atLeastOne('sessionTimeout', options.sessionTimeout ?? '30s'),
    instanceId,
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

/** By what is used of it: one of another realm (jsdom, vm) or of a polyfill is no instance of our `AbortSignal`. */
function isSignal(signal: AbortSignal): boolean {
  return (
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  )
}

function checkShared(topic: string, { groupId, delivery, priority }: SubscriptionOptions): void {
  if (groupId === undefined) invalid(`mode: 'shared' on ${topic} needs a groupId: who shares it`)
  if (delivery === 'at-most-once') invalid(`at-most-once does not go with mode: 'shared' on ${topic}`)
  if (priority !== undefined && typeof priority !== 'function') {
    invalid(`priority is ${show(priority)}: give a function of the record`)
  }
}

/** Options of `run` with everything filled in. */
export interface RunSettings {
  readonly concurrency: number
  readonly order: 'key' | 'partition' | 'none'
  /** `per` in milliseconds. */
  readonly rate: { readonly limit: number; readonly per: number; readonly byKey: boolean } | undefined
}

/** @throws AegisError `SUBSCRIPTION_INVALID` */
export function checkRunOptions(handler: unknown, options: RunOptions, shared: boolean): RunSettings {
  if (typeof handler !== 'function') invalid(`the handler of run is ${show(handler)}: give a function of the item`)
  checkNames('run', options, ['concurrency', 'order', 'rate'])
  if (shared && (options.order ?? 'none') !== 'none') {
    invalid(`order is ${show(options.order)}: with mode: 'shared' there is none`)
  }
  return {
    concurrency: whole('concurrency', options.concurrency ?? 1, 100_000),
    order: oneOf('order', options.order ?? (shared ? 'none' : 'key'), ['key', 'partition', 'none']),
    rate: options.rate === undefined ? undefined : checkRate(options.rate),
  }
}

function checkRate(rate: RateOptions): RunSettings['rate'] {
  if (typeof rate !== 'object' || rate === null) invalid(`rate is ${show(rate)}: give { limit: 100, per: '1s' }`)
  checkNames('rate', rate, ['limit', 'per', 'by'])
  const { limit, per, by } = rate
  if (by !== undefined) oneOf('rate.by', by, ['key'])
  return {
    limit: whole('rate.limit', limit, Number.MAX_SAFE_INTEGER),
    per: atLeastOne('rate.per', per),
    byKey: by === 'key',
  }
}

function checkNames(of: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find(option => !known.includes(option))
  if (unknown !== undefined) invalid(`option ${show(unknown)} of ${of} is not known: there are ${known.join(', ')}`)
}
