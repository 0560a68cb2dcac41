import { decodePayload, type Log, type LogRecord, type Readable, type TopicDescription, type Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { type Decode, type SeekTo, Subscription, type SubscriptionOptions } from '@aegis/subscription'
import { knownTopic, nameOf } from './known-topic.ts'
import { DeliveredMessage, type Message } from './message.ts'
import { checkFilter, type MessageFilter, recordMatcherOf } from './message-filter.ts'
import { isExpired, priorityOf } from './reserved-headers.ts'
import type { Telemetry } from './telemetry.ts'
import { isPattern, matcherOf, TopicWatch } from './topic-pattern.ts'

export interface SubscribeOptions<Out> extends SubscriptionOptions {
  /** Which messages are wanted. Default: all. */
  filter?: MessageFilter<Out>
}

/** What is subscribed to: a topic, a pattern such as `'orders.*'`, or several of both. */
export type Subscribed<Out> = string | Readable<Out> | readonly (string | Readable<Out>)[]

type PayloadDecoder<Out> = (record: LogRecord) => Out

export const payloadDecoder = <Out>(topic: string | Readable<Out>, { codec }: TopicDescription): PayloadDecoder<Out> =>
  typeof topic === 'string' ? (record): Untyped => decodePayload(codec, record) : record => topic.decode(record)

/** Makes messages of records, those that are wanted. */
function messageDecoder<Out>(
  log: Log,
  decoderOf: (topic: string) => PayloadDecoder<Out>,
  filter: MessageFilter<Out>,
): Decode<Message<Out>> {
  const matches = recordMatcherOf(filter)
  const { where } = filter
  return (record, delivered) => {
    if (isExpired(record, log)) return undefined
    if (matches !== undefined && !matches(record)) return undefined
    const message = new DeliveredMessage(record, delivered, decoderOf(record.topic))
    return where === undefined || where(message) ? message : undefined
  }
}

export interface OpenedSubscription<Out> {
  readonly subscription: Subscription<Message<Out>>
  /** Takes up topics that are created later; only with patterns. */
  readonly watch: TopicWatch | undefined
}

/** @throws AegisError `TOPIC_UNKNOWN`, `SUBSCRIPTION_INVALID`, `PUBSUB_INVALID` */
export async function openSubscription<Out>(
  log: Log,
  subscribed: Subscribed<Out>,
  { filter = {}, ...options }: SubscribeOptions<Out>,
  telemetry: Telemetry | undefined,
): Promise<OpenedSubscription<Out>> {
  checkFilter(filter)
  const list = Array.isArray(subscribed) ? subscribed : [subscribed as string | Readable<Out>]
  const decoders = new Map<string, PayloadDecoder<Out>>()
  const patterns: string[] = []
  for (const topic of list) {
    const name = nameOf(topic)
    if (typeof topic === 'string' && isPattern(topic)) patterns.push(topic)
    else decoders.set(name, payloadDecoder(topic, await knownTopic(log, name)))
  }
  if (list.length !== 1 || patterns.length > 0) checkStart(options)
  const matches = matcherOf(patterns)
  const names = [...decoders.keys()]
  const only = names.length === 1 && patterns.length === 0 ? decoders.get(names[0]!) : undefined
  const decode = messageDecoder(log, only === undefined ? topic => decoders.get(topic)! : () => only, filter)
  // Of a list topics may come and go; the only one may not.
  const subscription = await opened(log, only === undefined ? names : names[0]!, decode, options, telemetry)
  if (patterns.length === 0) return { subscription, watch: undefined }
  const add = async (topic: TopicDescription, from: SeekTo): Promise<void> => {
    decoders.set(topic.name, payloadDecoder<Out>(topic.name, topic))
    try {
      await subscription.add(topic.name, from)
    } catch (error) {
      if (groupId === undefined || !AegisError.is(error, 'OFFSET_RESET')) throw error
      // A topic of this name was deleted, and this is another: the group has seen nothing of it.
      await log.resetGroup(groupId, topic.name, 'earliest')
      await subscription.add(topic.name, from)
    }
  }
  const { groupId, from = 'latest' } = options
  try {
    const isBack = groupId !== undefined && (await isKnownGroup(log, groupId, patterns))
    const found = (await log.listTopics()).filter(({ name }) => matches(name) && !names.includes(name))
    // A topic where a group that is back has no position was created while it was away.
    for (const topic of found) await add(topic, isBack ? 'earliest' : from)
    if (groupId !== undefined && !isBack) await rememberGroup(log, groupId, patterns)
    const isNew = (name: string): boolean => matches(name) && !names.includes(name)
    return { subscription, watch: new TopicWatch(log, isNew, found, topic => add(topic, 'earliest')) }
  } catch (error) {
    await subscription.close()
    throw error
  }
}

function opened<Out>(
  log: Log,
  topics: string | readonly string[],
  decode: Decode<Message<Out>>,
  options: SubscriptionOptions,
  telemetry: Telemetry | undefined,
): Promise<Subscription<Message<Out>>> {
  const all = options.mode === 'shared' ? { priority: priorityOf, ...options } : options
  if (telemetry === undefined) return Subscription.open(log, topics, decode, all)
  const { groupId } = options
  return Subscription.open(log, topics, telemetry.counting(decode, groupId), all, telemetry.processing<Out>(groupId))
}

function checkStart({ from }: SubscriptionOptions): void {
  if (typeof from !== 'object' || !('offset' in from)) return
  throw new AegisError(
    'PUBSUB_INVALID',
    `from is ${JSON.stringify(from)}: an offset is a place in one topic; for several give 'latest', 'earliest' or { time }`,
  )
}

const groupSpace = '$pattern-groups'
const groupKey = (groupId: string, patterns: readonly string[]): Uint8Array =>
  Buffer.from(JSON.stringify([groupId, ...[...patterns].sort()]))

const isKnownGroup = async (log: Log, groupId: string, patterns: readonly string[]): Promise<boolean> =>
  (await log.getState(groupSpace, groupKey(groupId, patterns))) !== undefined

const rememberGroup = (log: Log, groupId: string, patterns: readonly string[]): Promise<void> =>
  log.transaction(tx => tx.putState(groupSpace, groupKey(groupId, patterns), Uint8Array.of(1)))
