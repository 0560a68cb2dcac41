import { setTimeout } from 'node:timers/promises'
import { AegisError } from '@aegis/storage'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Consumer } from './consumer.ts'
import type { Delivery, NackOptions } from './delivery.ts'
import type { HandlerCalls } from './handler-calls.ts'
import type { RunRate } from './run-rate.ts'
import type { Handler } from './subscription.ts'

/** What a handler may take in one transaction, in milliseconds: enough to share a commit, too little to wait for. */
const longest = 10
/** The longest that a timer can wait, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/** What all transactions of one `run` have in common. */
interface Run<Item> {
  readonly consumer: Consumer<Item>
  readonly handler: Handler<Item>
  readonly calls: HandlerCalls
  readonly closing: AbortSignal
  readonly rate: RunRate | undefined
}

/** How many messages share a transaction at most: fewer, once one was too large. */
interface Sizes {
  most: number
}

/** Transactions of neighbours of one partition, each with the handlers' outputs and the acknowledgement of its messages. */
export async function runExactlyOnce<Item>(run: Run<Item>, concurrency: number): Promise<void> {
  const { feeds, settings } = run.consumer
  const { maxPollRecords } = settings
  const running = new Map<AssignedPartition, Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  const sizes: Sizes = { most: Number.POSITIVE_INFINITY }
  try {
    for (let first = await feeds.next(); first !== undefined; first = await feeds.next()) {
      const batch = [first]
      while (batch.length < maxPollRecords) {
        const next = feeds.take(first.partition)
        if (next === undefined) break
        batch.push(next)
      }
      const { partition } = first
      // One transaction after the other for each partition; with others side by side if so many are wanted.
      while (running.has(partition) || running.size >= concurrency) {
        await (running.get(partition) ?? Promise.race(running.values()))
      }
      if (failure !== undefined) break
      const done = handleBatch(run, sizes, batch)
        .catch((error: unknown) => {
          failure ??= { error }
          feeds.stop()
        })
        .finally(() => running.delete(partition))
      running.set(partition, done)
      if (concurrency === 1) await done
    }
  } finally {
    await Promise.all(running.values())
  }
  if (failure !== undefined) throw failure.error
}

async function handleBatch<Item>(run: Run<Item>, sizes: Sizes, batch: readonly Delivery[]): Promise<void> {
  let items: (Item | undefined)[] = []
  for (let at = 0; at < batch.length && !run.closing.aborted; ) {
    const rest = upToOneThatWaits(batch.slice(at, at + sizes.most))
    if (!(await mayBegin(run, rest[0]!))) return
    try {
      const count = await commitSome(run, rest, items)
      at += count
      items = items.slice(count)
    } catch (error) {
      if (isOver(error, rest[0]!)) return
      if (isFatal(error)) throw error
      // Each may write little, and all together too much: from now on fewer share a transaction.
      if (AegisError.is(error, 'TRANSACTION_TOO_LARGE') && Math.min(items.length, rest.length) > 1) {
        sizes.most = Math.ceil(Math.min(items.length, rest.length) / 2)
        continue
      }
      // Most of them have done nothing wrong: they are run again one by one, and only then it counts as an attempt.
      for (const [index, delivery] of rest.entries()) {
        await handleAlone(run, delivery, items.slice(index, index + 1))
      }
      at += rest.length
      items = items.slice(rest.length)
    }
  }
}

/** Refused by somebody who is gone, and not due yet: what is before it need not wait. */
function upToOneThatWaits(batch: readonly Delivery[]): readonly Delivery[] {
  const waiting = batch.findIndex(({ notBefore }, at) => at > 0 && notBefore > 0)
  return waiting < 0 ? batch : batch.slice(0, waiting)
}

/** Waits until a delivery is due, not paused, and its rate lets it begin; gives whether that has come before the end. */
async function mayBegin<Item>({ consumer, closing, rate }: Run<Item>, delivery: Delivery): Promise<boolean> {
  const { feeds, log } = consumer
  while (!closing.aborted) {
    const paused = feeds.isPaused(delivery)
    const wait = Math.max(delivery.notBefore - log.now(), rate?.wait(delivery) ?? 0)
    if (!paused && wait <= 0) {
      delivery.notBefore = 0
      return true
    }
    if (feeds.failure !== undefined || !delivery.open) return false
    if (paused) await feeds.arrival()
    else await setTimeout(Math.min(wait, longestTimer), undefined, { signal: closing }).catch(() => undefined)
  }
  return false
}

/**
 * Handles as many as fit into one transaction and gives their number. Their `items` are made when they are not there: a
 * transaction that is run again after a conflict is not another attempt.
 */
async function commitSome<Item>(
  { consumer, handler, calls, closing, rate }: Run<Item>,
  batch: readonly Delivery[],
  items: (Item | undefined)[],
): Promise<number> {
  return consumer.log.transaction(async tx => {
    const began = performance.now()
    const handled: Delivery[] = []
    let count = 0
    for (const delivery of batch) {
      // Another partition was quicker: it waits once more.
      if (rate !== undefined && rate.wait(delivery) > 0) break
      if (count > 0 && (closing.aborted || consumer.feeds.isPaused(delivery) || performance.now() - began > longest))
        break
      // Whose lease has lapsed while it waited for its turn is another delivery now.
      if (count === items.length) items.push(delivery.open ? consumer.item(delivery) : undefined)
      const item = items[count++]
      // Nothing to hand over: it is acknowledged, or on its way to the dead letters.
      if (item === undefined || !delivery.open) continue
      delivery.inRun = true
      delivery.refusal = undefined
      rate?.begin(delivery)
      // Who does not wait is not waited for: it costs as much as many a handler.
      const result = calls.call(handler, item, tx)
      if (result !== undefined) await calls.wait(result)
      // A handler that calls `nack()` wants nothing of what it has written: it is as if it had thrown.
      if (delivery.refusal !== undefined) throw new Refused(delivery.refusal)
      handled.push(delivery)
    }
    const { partition } = batch[0]!
    if (handled.length > 0) partition.source.stage(tx, partition, handled)
    tx.onCommit(() => partition.source.touched(partition))
    return count
  })
}

class Refused extends Error {
  readonly refusal: NackOptions

  constructor(refusal: NackOptions) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

async function handleAlone<Item>(run: Run<Item>, delivery: Delivery, items: (Item | undefined)[]): Promise<void> {
  const { consumer, closing } = run
  while (!closing.aborted && delivery.open && (await mayBegin(run, delivery))) {
    try {
      if ((await commitSome(run, [delivery], items)) > 0) return
    } catch (error) {
      if (isOver(error, delivery) || !delivery.open) return
      if (isFatal(error)) throw error
      // What others were doing is not the message's fault: it is no attempt, or a busy time would bury good messages.
      const conflict = AegisError.is(error, 'TRANSACTION_CONFLICT')
      const wait = conflict ? 10 : failed(consumer, delivery, error)
      if (wait === undefined) return
      if (!conflict) items.length = 0
      if (wait > 0) await setTimeout(wait, undefined, { signal: closing }).catch(() => undefined)
      if (conflict || closing.aborted || !delivery.open) continue
      if ((await delivery.partition.source.count(delivery)) === false) return
    }
  }
}

const failed = <Item>(consumer: Consumer<Item>, delivery: Delivery, error: unknown): number | undefined =>
  error instanceof Refused
    ? consumer.failedBy(delivery, error.refusal, true)
    : consumer.failed(delivery, error, { ordered: true })

/** Another member has the partition: nothing of the transaction has happened, and it is handled there. */
const isOver = (error: unknown, delivery: Delivery): boolean =>
  delivery.partition.released || AegisError.is(error, 'GENERATION_FENCED')

/** No message can be handled any more. */
const isFatal = (error: unknown): boolean =>
  AegisError.is(error) && (error.code.startsWith('STORAGE_') || error.code === 'LOG_CLOSED')
