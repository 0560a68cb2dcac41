import type { LogRecord } from '@aegis/log'
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
  /** How often handlers may begin. Default: as often as there is something to do. */
  rate?: RateOptions
}

/**
 * At most `limit` handlers begin within any interval of `per`, later attempts included. What waits for that is not an attempt. It
 * holds for one `run`; `by: 'key'` for the whole group, for a key is one member's, except with `mode: 'shared'`, and for `per` after
 * its partition has moved.
 */
export interface RateOptions {
  /** A whole number of at least 1. */
  limit: number
  /** Milliseconds or `'1s'`, by the clock of the log. */
  per: number | string
  /** `'key'`: of each key, those without a key are free. Default: of all together. */
  by?: 'key'
}

export interface CloseOptions {
  /**
   * How long handlers that are at work are waited for, in milliseconds or `'30s'`; then they are given up: their messages are
   * delivered again, and what they still do is not heard. Default: until they end.
   */
  timeout?: number | string
}
