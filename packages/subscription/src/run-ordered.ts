import { setTimeout } from 'node:timers/promises'
import type { Consumer } from './consumer.ts'
import type { Delivery } from './delivery.ts'
import type { RunOptions } from './options.ts'
import { Slots } from './slots.ts'

// Deliveries that are taken and not done: enough to find work beside slow keys. More would only move memory from the log to here.
const mostTaken = 1000

/** Handlers side by side, while what belongs together stays in order: retries included, each lane does one at a time. */
export async function runOrdered<Item>(
  consumer: Consumer<Item>,
  handler: (item: Item) => Promise<void> | void,
  { concurrency, order }: Required<RunOptions>,
  closing: AbortSignal,
): Promise<void> {
  const { intake } = consumer
  const slots = new Slots(concurrency)
  const lanes = new Map<string, Delivery[]>()
  const running = new Set<Promise<void>>()
  const limit = Math.max(mostTaken, 2 * concurrency)
  let waiting = 0
  let proceed: () => void = () => undefined

  const attempt = async (delivery: Delivery): Promise<number | undefined> => {
    const release = slots.tryTake() ?? (await slots.take())
    try {
      // Taken away, or closed, while it waited: it is delivered again, to whoever has it then.
      if (closing.aborted || !delivery.open) return undefined
      const item = consumer.item(delivery)
      if (item === undefined) return undefined
      delivery.inRun = true
      await handler(item)
      if (delivery.refusal !== undefined && delivery.open) return consumer.failedBy(delivery, delivery.refusal)
      consumer.settle(delivery)
      return undefined
    } catch (error) {
      return delivery.open ? consumer.failed(delivery, error) : undefined
    } finally {
      release()
    }
  }

  const handle = async (delivery: Delivery): Promise<void> => {
    for (let wait = await attempt(delivery); wait !== undefined; wait = await attempt(delivery)) {
      if (wait > 0) await setTimeout(wait, undefined, { signal: closing }).catch(() => undefined)
    }
  }

  const work = async (lane: string | undefined, first: Delivery): Promise<void> => {
    await handle(first)
    if (lane === undefined) return
    const queue = lanes.get(lane)!
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      waiting--
      proceed()
      await handle(next)
    }
    lanes.delete(lane)
  }

  try {
    for (let delivery = await intake.next(); delivery !== undefined; delivery = await intake.next()) {
      const lane = laneOf(delivery, order)
      const queue = lane === undefined ? undefined : lanes.get(lane)
      if (queue !== undefined) {
        queue.push(delivery)
        waiting++
      } else {
        if (lane !== undefined) lanes.set(lane, [])
        const done = work(lane, delivery).finally(() => {
          running.delete(done)
          proceed()
        })
        running.add(done)
      }
      while (running.size + waiting >= limit) {
        await new Promise<void>(resolve => {
          proceed = resolve
        })
      }
    }
  } finally {
    await Promise.all(running)
  }
}

function laneOf({ record }: Delivery, order: Required<RunOptions>['order']): string | undefined {
  if (order === 'none') return undefined
  if (order === 'partition') return String(record.partition)
  const { key } = record
  return key === null
    ? undefined
    : `${record.partition}/${Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')}`
}
