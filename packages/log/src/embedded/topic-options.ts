import { AegisError } from '@aegis/storage'
import { parseDuration, parseSize } from '../duration.ts'
import type { AlterTopicOptions, Cleanup, Keyed, Retention, TopicOptions } from '../log.ts'
import type { TopicConfig } from './topic-state.ts'

/** Largest `maxMessageSize`, in bytes. */
export const maxMessageSize = 1e9

export type TopicSettings = Omit<TopicConfig, 'id' | 'incarnation' | 'restored'>

const invalid = (message: string): never => {
  throw new AegisError('LOG_INVALID', message)
}
const known = ['partitions', 'retention', 'replicationFactor', 'keyed', 'maxMessageSize', 'cleanup', 'codec']
const alterable = ['partitions', 'retention', 'maxMessageSize', 'cleanup']

const oneOf = <T extends string>(option: string, value: T, allowed: readonly T[]): T =>
  allowed.includes(value) ? value : invalid(`${option} is ${JSON.stringify(value)}: give one of ${allowed.join(', ')}`)

const wholeNumber = (option: string, value: number, most: number): number =>
  Number.isInteger(value) && value >= 1 && value <= most
    ? value
    : invalid(`${option} is ${String(value)}: give a whole number from 1 to ${most}`)

const messageSize = (value: number | string): number =>
  wholeNumber('maxMessageSize', parseSize('maxMessageSize', value), maxMessageSize)

function checkKnown(name: string, options: object, allowed: readonly string[]): void {
  for (const option of Object.keys(options)) {
    if (!allowed.includes(option)) {
      invalid(`option ${JSON.stringify(option)} of topic ${name} is not known here: there are ${allowed.join(', ')}`)
    }
  }
}

function checkRetention(
  name: string,
  keyed: TopicSettings['keyed'],
  given: TopicOptions['retention'] | null,
): Pick<TopicSettings, 'retention' | 'retentionBytes'> {
  if (given === undefined || given === null) return { retention: null, retentionBytes: null }
  if (keyed !== 'none') invalid(`retention of topic ${name}: keyed topics keep everything`)
  const { time, bytes } = typeof given === 'object' ? given : { time: given, bytes: undefined }
  if (typeof given === 'object') checkKnown(`${name}, retention`, given, ['time', 'bytes'])
  return {
    retention: time === undefined ? null : parseDuration('retention', time),
    retentionBytes: bytes === undefined ? null : wholeNumber('retention.bytes', parseSize('bytes', bytes), 2 ** 53 - 1),
  }
}

function checkCleanup(name: string, keyed: Keyed, cleanup: Cleanup): Cleanup {
  if (oneOf('cleanup', cleanup, ['delete', 'compact']) === 'compact' && keyed !== 'latest') {
    const instead = keyed === 'history' ? 'truncateHistory shortens its histories' : 'create another one with it'
    invalid(`cleanup of topic ${name}: it is keyed '${keyed}', and a compacted topic is keyed 'latest': ${instead}`)
  }
  return cleanup
}

export function checkName(name: string): void {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._$-]{1,249}$/.test(name) || name === '.' || name === '..') {
    invalid(`topic name ${JSON.stringify(name)}: give 1 to 249 letters, digits, '.', '_' or '-'`)
  }
}

/** In a topic that is compacted an index knows which record is the last of its key. */
const keyedOf = ({ keyed, cleanup }: TopicOptions): Keyed => keyed ?? (cleanup === 'compact' ? 'latest' : 'none')

/** Checks options and fills in what was left out. */
export function checkTopic(name: string, options: TopicOptions): TopicSettings {
  checkKnown(name, options, known)
  const keyed = oneOf('keyed', keyedOf(options), ['none', 'latest', 'history'])
  return {
    name,
    keyed,
    ...checkRetention(name, keyed, options.retention),
    partitions: wholeNumber('partitions', options.partitions ?? 1, 65_536),
    requestedReplicationFactor: wholeNumber('replicationFactor', options.replicationFactor ?? 1, 100),
    replicationFactor: 1,
    maxMessageSize: messageSize(options.maxMessageSize ?? '1MB'),
    cleanup: checkCleanup(name, keyed, options.cleanup ?? 'delete'),
    codec: oneOf('codec', options.codec ?? 'json', ['json', 'text', 'bytes']),
  }
}

/** The configuration with other settings; what is left out stays. */
export function alteredTopic<Config extends TopicSettings>(config: Config, options: AlterTopicOptions): Config {
  const { name, keyed } = config
  checkKnown(name, options, alterable)
  const { partitions = config.partitions, retention, maxMessageSize: size, cleanup = config.cleanup } = options
  if (wholeNumber('partitions', partitions, 65_536) < config.partitions) {
    invalid(`partitions of topic ${name} is ${config.partitions}: they can be added to, not taken away`)
  }
  if (keyed !== 'none' && partitions !== config.partitions) {
    invalid(`partitions of topic ${name}: it is keyed, and more partitions would part a key from its records`)
  }
  return {
    ...config,
    partitions,
    cleanup: checkCleanup(name, keyed, cleanup),
    ...(retention === undefined ? {} : checkRetention(name, keyed, retention)),
    ...(size === undefined ? {} : { maxMessageSize: messageSize(size) }),
  }
}

/** What topics get that do not say otherwise when they are created. */
export type TopicDefaults = Pick<TopicOptions, 'retention' | 'maxMessageSize'>

/** Fills in the defaults; a topic that exists keeps what it has, so that another default never makes it differ. */
export function withDefaults(
  name: string,
  options: TopicOptions,
  { retention, maxMessageSize: size }: TopicDefaults,
  existing: TopicSettings | undefined,
): TopicOptions {
  const filled = { ...options }
  // Keyed and internal topics are state: they keep everything unless they are told.
  const expires = keyedOf(options) === 'none' && !name.startsWith('$')
  if (retention !== undefined && options.retention === undefined && expires) {
    const kept = existing === undefined ? retention : retentionOf(existing)
    filled.retention = kept
  }
  if (size !== undefined) filled.maxMessageSize ??= existing?.maxMessageSize ?? size
  return filled
}

function retentionOf({ retention, retentionBytes }: TopicSettings): Retention {
  const time = retention === null ? {} : { time: retention }
  return { ...time, ...(retentionBytes === null ? {} : { bytes: retentionBytes }) }
}
