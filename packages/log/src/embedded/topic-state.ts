import { AegisError } from '@aegis/storage'
import { parseDuration, parseSize } from '../duration.ts'
import type { TopicDescription, TopicOptions } from '../log.ts'
import { StickyPartitioner } from '../partitioner.ts'

/** Largest `maxMessageSize`, in bytes. */
export const maxMessageSize = 1e9

/** What of a topic is stored. */
export interface TopicConfig extends Omit<TopicDescription, 'endOffset'> {
  readonly id: number
}

/** A topic while the log is open. */
export class TopicState {
  readonly config: TopicConfig
  readonly partitioner: StickyPartitioner
  /** Decided: the offset that the next record gets. */
  nextOffset: number
  /** Durable: readers see records below it. */
  endOffset: number
  /** Append times never fall, so that a time can be searched by halving. */
  lastAppendTime: number
  deleted = false
  #waiting = new Set<() => void>()

  constructor(config: TopicConfig, nextOffset = 0, lastAppendTime = 0) {
    this.config = config
    this.partitioner = new StickyPartitioner(config.partitions)
    this.nextOffset = nextOffset
    this.endOffset = nextOffset
    this.lastAppendTime = lastAppendTime
  }

  /** Resolves when `endOffset` has passed `offset`, the topic is deleted, or `wake` is called. */
  changed(offset: number): Promise<void> {
    if (this.deleted || this.endOffset > offset) return Promise.resolve()
    return new Promise(resolve => this.#waiting.add(resolve))
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const resolve of waiting) resolve()
  }

  describe(): TopicDescription {
    const { id: _, ...shown } = this.config
    return { ...shown, endOffset: this.endOffset }
  }
}

const invalid = (message: string): never => {
  throw new AegisError('LOG_INVALID', message)
}
const known = ['partitions', 'retention', 'replicationFactor', 'keyed', 'maxMessageSize', 'codec']
const oneOf = <T extends string>(option: string, value: T, allowed: readonly T[]): T =>
  allowed.includes(value) ? value : invalid(`${option} is ${JSON.stringify(value)}: give one of ${allowed.join(', ')}`)
const wholeNumber = (option: string, value: number, most: number): number =>
  Number.isInteger(value) && value >= 1 && value <= most
    ? value
    : invalid(`${option} is ${String(value)}: give a whole number from 1 to ${most}`)

/** Checks a name and options and fills in what was left out. */
export function checkTopic(name: string, options: TopicOptions): Omit<TopicConfig, 'id' | 'incarnation'> {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._$-]{1,249}$/.test(name) || name === '.' || name === '..') {
    invalid(`topic name ${JSON.stringify(name)}: give 1 to 249 letters, digits, '.', '_' or '-'`)
  }
  for (const option of Object.keys(options)) {
    if (!known.includes(option))
      invalid(`option ${JSON.stringify(option)} of topic ${name} is not known: there are ${known.join(', ')}`)
  }
  const keyed = oneOf('keyed', options.keyed ?? 'none', ['none', 'latest', 'history'])
  const retention = options.retention === undefined ? null : parseDuration('retention', options.retention)
  if (retention !== null && keyed !== 'none') invalid(`retention of topic ${name}: keyed topics keep everything`)
  return {
    name,
    keyed,
    retention,
    partitions: wholeNumber('partitions', options.partitions ?? 1, 65_536),
    requestedReplicationFactor: wholeNumber('replicationFactor', options.replicationFactor ?? 1, 100),
    replicationFactor: 1,
    maxMessageSize: wholeNumber(
      'maxMessageSize',
      parseSize('maxMessageSize', options.maxMessageSize ?? '1MB'),
      maxMessageSize,
    ),
    codec: oneOf('codec', options.codec ?? 'json', ['json', 'text', 'bytes']),
  }
}

/** What topics get that do not say otherwise when they are created. */
export type TopicDefaults = Pick<TopicOptions, 'retention' | 'maxMessageSize'>

/** Fills in the defaults; a topic that exists keeps what it has, so that another default never makes it differ. */
export function withDefaults(
  name: string,
  options: TopicOptions,
  { retention, maxMessageSize }: TopicDefaults,
  existing: TopicConfig | undefined,
): TopicOptions {
  const filled = { ...options }
  // Keyed and internal topics are state: they keep everything unless they are told.
  const expires = (options.keyed ?? 'none') === 'none' && !name.startsWith('$')
  if (retention !== undefined && options.retention === undefined && expires) {
    const kept = existing === undefined ? retention : existing.retention
    if (kept !== null) filled.retention = kept
  }
  if (maxMessageSize !== undefined) filled.maxMessageSize ??= existing?.maxMessageSize ?? maxMessageSize
  return filled
}
