import { AegisError } from '@aegis/storage'
import { escaped, Space, text, u32 } from '../keys.ts'
import type { ProducerBatch, RecordPosition } from '../log.ts'
import type { Stage } from './stage.ts'
import type { TopicState } from './topic-state.ts'

/** Appends of a producer whose positions are remembered, as many as Kafka's client may have in flight. */
export const rememberedBatches = 5
/** A producer is not forgotten sooner after its last append, in milliseconds: one that is at work goes on where it was. */
const idleTime = 7 * 86_400_000

/** An append that is remembered: its records have neighbouring offsets. What is the same for all of them is written once. */
interface Batch {
  readonly sequence: number
  readonly offset: number
  readonly count: number
  readonly partition: number | readonly number[]
  readonly timestamp: number | readonly number[]
  readonly version?: readonly number[]
}

/** How databases had it before: a list for each record. */
interface ListedBatch {
  readonly sequence: number
  readonly positions: readonly (readonly [partition: number, offset: number, timestamp: number, version?: number])[]
}

/** What is stored of a producer of a topic. */
interface Producer {
  readonly epoch: number
  /** The sequence number of its next record. */
  readonly next: number
  /** When it appended last, in milliseconds. */
  readonly time: number
  readonly batches: readonly (Batch | ListedBatch)[]
}

export const producerKey = (topicId: number, id: string): Uint8Array =>
  Buffer.concat([Uint8Array.of(Space.producer), u32(topicId), escaped(text(id))])

const decode = (stored: Uint8Array): Producer =>
  JSON.parse(Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString('utf8')) as Producer

/** Whether nothing of a topic is left up to an offset: offsets count over all partitions. */
const isGone = ({ partitions }: TopicState, offset: number): boolean =>
  partitions.every(({ durable: { startOffset, endOffset } }) => startOffset > offset || startOffset >= endOffset)

/**
 * Whether a stored producer may be forgotten: nothing that it has appended is left that a late repeat could add a second
 * time, and it has been idle for long.
 */
export function isForgettable(stored: Uint8Array, topic: TopicState, now: number): boolean {
  const { time, batches } = decode(stored)
  // Offsets rise, so the newest is the last that goes.
  return time < now - idleTime && isGone(topic, lastOffset(batches.at(-1)!))
}

const lastOffset = (batch: Batch | ListedBatch): number =>
  'positions' in batch ? batch.positions.at(-1)![1] : batch.offset + batch.count - 1

const same = (values: readonly number[]): number | readonly number[] =>
  values.every(value => value === values[0]) ? values[0]! : values

const at = (values: number | readonly number[], n: number): number => (typeof values === 'number' ? values : values[n]!)

function encodeBatch(sequence: number, positions: readonly RecordPosition[]): Batch {
  const versions = positions.flatMap(({ version }) => version ?? [])
  return {
    sequence,
    offset: positions[0]!.offset,
    count: positions.length,
    partition: same(positions.map(({ partition }) => partition)),
    timestamp: same(positions.map(({ timestamp }) => timestamp)),
    ...(versions.length === 0 ? {} : { version: versions }),
  }
}

function decodeBatch(topic: string, batch: Batch | ListedBatch): readonly RecordPosition[] {
  if ('positions' in batch) {
    return batch.positions.map(([partition, offset, timestamp, version]) =>
      versioned({ topic, partition, offset, timestamp }, version),
    )
  }
  return Array.from({ length: batch.count }, (_, n) => {
    const position = {
      topic,
      partition: at(batch.partition, n),
      offset: batch.offset + n,
      timestamp: at(batch.timestamp, n),
    }
    return versioned(position, batch.version?.[n])
  })
}

const versioned = (position: RecordPosition, version: number | undefined): RecordPosition =>
  version === undefined ? position : { ...position, version }

export function checkProducer({ id, sequence, epoch = 0 }: ProducerBatch): void {
  if (typeof id !== 'string' || id === '' || id.length > 1_000 || !id.isWellFormed()) {
    throw new AegisError('LOG_INVALID', `producer.id is ${JSON.stringify(id)}: give a text of 1 to 1,000 characters`)
  }
  for (const [option, value] of [
    ['sequence', sequence],
    ['epoch', epoch],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new AegisError('LOG_INVALID', `producer.${option} is ${String(value)}: give a whole number from 0 on`)
    }
  }
}

function refusal(
  code: 'PRODUCER_FENCED' | 'PRODUCER_SEQUENCE' | 'PRODUCER_DUPLICATE',
  topic: string,
  { id, sequence, epoch = 0 }: ProducerBatch,
  known: Pick<Producer, 'epoch' | 'next'>,
  what: string,
): AegisError {
  const details = { topic, producerId: id, sequence, epoch, expectedSequence: known.next, currentEpoch: known.epoch }
  return new AegisError(code, `producer ${JSON.stringify(id)} of topic ${topic}: ${what}`, { details })
}

/**
 * What a batch with a sequence number comes to, for what is `known` of its producer: what `find` gives of those that are there
 * already, or `undefined` when it is to be appended.
 * @throws AegisError `PRODUCER_FENCED`, `PRODUCER_SEQUENCE`, `PRODUCER_DUPLICATE`
 */
export function decideProducerBatch<Known, Found>(
  name: string,
  batch: ProducerBatch,
  known: { readonly epoch: number; readonly next: number; readonly batches: readonly Known[] } | undefined,
  find: (batches: readonly Known[]) => Found | undefined,
): Found | undefined {
  const { sequence, epoch = 0 } = batch
  if (known !== undefined && epoch < known.epoch) {
    throw refusal(
      'PRODUCER_FENCED',
      name,
      batch,
      known,
      `epoch ${epoch} has passed, it is ${known.epoch}: stop this one`,
    )
  }
  const current = known === undefined || epoch > known.epoch ? { epoch, next: 0, batches: [] } : known
  if (sequence === current.next) return undefined
  if (sequence > current.next) {
    const what = `sequence ${sequence} leaves a gap, ${current.next} comes next: append what is missing first`
    throw refusal('PRODUCER_SEQUENCE', name, batch, current, what)
  }
  const found = find(current.batches)
  if (found !== undefined) return found
  const what = `sequence ${sequence} is there already, but not as one of its last ${rememberedBatches} batches: go on at ${current.next}`
  throw refusal('PRODUCER_DUPLICATE', name, batch, current, what)
}

/** Decided in the order of commits: where a batch is, if it is there already, or `undefined` when it is to be appended. */
export function decideBatch(
  stage: Stage,
  { config: { id, name } }: TopicState,
  batch: ProducerBatch,
  records: number,
): readonly RecordPosition[] | undefined {
  const stored = stage.get(producerKey(id, batch.id))
  return decideProducerBatch(name, batch, stored === undefined ? undefined : decode(stored), batches => {
    const repeated = batches.find(({ sequence }) => sequence === batch.sequence)
    const positions = repeated === undefined ? [] : decodeBatch(name, repeated)
    return positions.length === records ? positions : undefined
  })
}

/** Remembers a batch that was appended. */
export function noteBatch(
  stage: Stage,
  topic: TopicState,
  { id, sequence, epoch = 0 }: ProducerBatch,
  positions: readonly RecordPosition[],
  now: number,
): void {
  const key = producerKey(topic.config.id, id)
  const stored = stage.get(key)
  const known = stored === undefined ? undefined : decode(stored)
  const before = known?.epoch === epoch ? known.batches : []
  const batches = [...before, encodeBatch(sequence, positions)].slice(-rememberedBatches)
  const producer: Producer = { epoch, next: sequence + positions.length, time: now, batches }
  stage.put(key, Buffer.from(JSON.stringify(producer)))
}
