import { AegisError } from '@aegis/storage'
import { checkKnown } from './checked-options.ts'

/** What of an Observable is used: those of rxjs and of others have it. */
export interface ObservableLike<T> {
  subscribe(observer: { next(value: T): void; error(error: unknown): void; complete(): void }): { unsubscribe(): void }
}

export type MessageSource<T> = Iterable<T> | AsyncIterable<T> | ObservableLike<T>

export interface PublishFromOptions {
  /** How many messages are on their way at the same time. Default 1000. */
  readonly inFlight?: number
  /** An Observable cannot be slowed down: how many of its messages may wait beside them, before it ends with `PUBLISH_LIMIT`. Default 100,000. */
  readonly buffer?: number
  /** Ends it; what is on its way is published. */
  readonly signal?: AbortSignal
}

/** A list that a log in memory takes as fast as it comes leaves others of the process their turn after so many milliseconds. */
const longestTurn = 10

const isSource = (source: unknown): boolean =>
  typeof source === 'object' &&
  source !== null &&
  (Symbol.iterator in source || Symbol.asyncIterator in source || 'subscribe' in source)

const isObservable = <T>(source: MessageSource<T>): source is ObservableLike<T> =>
  'subscribe' in source && typeof source.subscribe === 'function'

/**
 * Publishes what a source gives, in its order, and asks for no more than is let through. Resolves with their number when the source
 * has ended and all are durable; fails with the first that fails, and asks for nothing more then.
 */
export async function publishAllOf<T>(
  source: MessageSource<T>,
  publish: (message: T) => Promise<unknown>,
  options: PublishFromOptions,
): Promise<number> {
  checkKnown('publishFrom', options, ['inFlight', 'buffer', 'signal'])
  const { inFlight = 1000, buffer = 100_000, signal } = options
  if (!isSource(source)) {
    throw new AegisError(
      'PUBSUB_INVALID',
      `publishFrom takes a list, an (asynchronous) iterable or an Observable, not ${String(source)}`,
    )
  }
  const most = checked('inFlight', inFlight)
  const waiting = checked('buffer', buffer)
  const messages = isObservable(source) ? observed(source, waiting, signal) : untilAborted(source, signal)
  const onTheirWay = new Set<Promise<unknown>>()
  let failure: { readonly error: unknown } | undefined
  let count = 0
  let turnBegan = performance.now()
  signal?.throwIfAborted()
  try {
    for await (const message of messages) {
      count++
      const published: Promise<unknown> = publish(message)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => onTheirWay.delete(published))
      onTheirWay.add(published)
      if (onTheirWay.size >= most) await Promise.race(onTheirWay)
      if (failure !== undefined) break
      if ((count & 31) === 0 && performance.now() - turnBegan > longestTurn) {
        await new Promise(resolve => setImmediate(resolve))
        turnBegan = performance.now()
      }
      signal?.throwIfAborted()
    }
  } finally {
    await Promise.all(onTheirWay)
  }
  if (failure !== undefined) throw failure.error
  return count
}

/** The values of an iterable; an abort is noticed also while it is waited for the next. */
async function* untilAborted<T>(
  source: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  if (signal === undefined) {
    yield* source
    return
  }
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let abort: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  aborted.catch(() => undefined)
  try {
    for (;;) {
      const { done, value } = await Promise.race([iterator.next(), aborted])
      if (done === true) return
      yield value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // Not waited for: a generator that waits itself ends when what it waits for has come.
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}

/** The values of an Observable, which come when they come, as something that can be asked for them. */
async function* observed<T>(
  source: ObservableLike<T>,
  most: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  let values: T[] = []
  let end: { readonly error?: unknown } | undefined
  let wake: () => void = () => undefined
  const finish = (how: { readonly error?: unknown }): void => {
    end ??= how
    wake()
  }
  const abort = (): void => finish({ error: signal?.reason })
  signal?.addEventListener('abort', abort, { once: true })
  const subscription = source.subscribe({
    next: value => {
      if (end !== undefined) return
      if (values.push(value) > most) finish({ error: overflow(most) })
      else wake()
    },
    error: error => finish({ error }),
    complete: () => finish({}),
  })
  try {
    for (;;) {
      const ready = values
      values = []
      yield* ready
      if (values.length > 0) continue
      if (end !== undefined) break
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    if (end !== undefined && 'error' in end) throw end.error
  } finally {
    signal?.removeEventListener('abort', abort)
    subscription.unsubscribe()
  }
}

const overflow = (most: number): AegisError =>
  new AegisError(
    'PUBLISH_LIMIT',
    `an Observable gives messages faster than they can be published, and ${most} wait: it was unsubscribed from`,
  )

function checked(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new AegisError(
    'PUBSUB_INVALID',
    `${option} of publishFrom is ${JSON.stringify(value)}: give a whole number of at least 1`,
  )
}
