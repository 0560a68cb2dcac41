import type { Log } from '@aegis/log'
import { type Delivered, Subscription, type SubscriptionOptions } from '../src/index.ts'

/** What the tests subscribe to: the text of a record with what can be done about it. */
export interface Item extends Pick<Delivered, 'attempts' | 'ack' | 'nack' | 'extend'> {
  readonly text: string
  readonly key: string | null
  readonly partition: number
  readonly offset: number
}

export const subscribe = (log: Log, options: SubscriptionOptions = {}, topic = 't'): Promise<Subscription<Item>> =>
  Subscription.open(
    log,
    topic,
    ({ key, value, partition, offset }, { attempts, ack, nack, extend }) => {
      const text = Buffer.from(value ?? []).toString()
      if (text === 'unreadable') throw new Error('not readable')
      if (text === 'not for us') return undefined
      return {
        text,
        key: key === null ? null : Buffer.from(key).toString(),
        partition,
        offset,
        attempts,
        ack,
        nack,
        extend,
      }
    },
    options,
  )

export const publish = (log: Log, ...texts: string[]) =>
  log.append(
    't',
    texts.map(text => ({ value: Buffer.from(text) })),
  )

/** Takes so many items, does something with each, and leaves the loop. */
export async function take(
  subscription: Subscription<Item>,
  count: number,
  act: (item: Item) => void = () => undefined,
): Promise<string[]> {
  const texts: string[] = []
  if (count === 0) {
    await subscription.close()
    return texts
  }
  for await (const item of subscription) {
    texts.push(item.text)
    act(item)
    if (texts.length === count) break
  }
  return texts
}

/** The texts of all records of a topic, over all partitions in order of offsets. */
export async function everything(log: Log, topic: string): Promise<string[]> {
  const records: { offset: number; text: string }[] = []
  for (let partition = 0; partition < log.topic(topic).partitions; partition++) {
    const page = await log.read(topic, partition, { from: 0, maxRecords: 100_000 })
    for (const { offset, value } of page.records) records.push({ offset, text: Buffer.from(value ?? []).toString() })
  }
  return records.sort((a, b) => a.offset - b.offset).map(({ text }) => text)
}

/** A promise and what settles it. */
export function deferred<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve: value => resolve(value) }
}
