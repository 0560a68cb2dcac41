import type { LogRecord, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { StoredEvent } from '../event.ts'
import { eventsTopic } from '../event-codec.ts'
import { eventFilter, type ReadyFilter } from '../event-filter.ts'
import type { EventLog } from '../event-log.ts'
import { forgottenBy } from '../forgetting.ts'
import { forgottenStream, streamIdOf } from '../streams/stream-id.ts'
import { firstBetween } from './catch-up.ts'
import type { Checkpoint, CheckpointStore, SkippedEvent } from './checkpoint.ts'
import { closedError } from './definition.ts'
import { PositionWaiters, type WaitForOptions } from './position-waiters.ts'

/** What becomes of an event that cannot be handled: `'stop'` nothing is handled any more, `'skip'` it is left out and noted. */
export type OnError = 'stop' | 'skip'

/** What a processor does. */
export interface ProcessorWork {
  /** What it is, for messages: `projection balances`. */
  readonly name: string
  readonly checkpoint: CheckpointStore<Untyped>
  readonly filter: ReadyFilter
  readonly onError: OnError
  /** Writes what follows from an event. */
  handle(event: StoredEvent, tx: Transaction): Promise<void> | void
  /** Writes what follows from a subject's being forgotten. */
  forget?(subject: string, event: StoredEvent, tx: Transaction): Promise<void> | void
  /** Does what is due between events; `wake()` has it called again although no event comes. */
  between?(processor: EventProcessor): Promise<void>
  /** Called when everything below a position is handled. */
  advanced(position: number): void
  /** Called once if it ends by itself. */
  failed(error: unknown): void
}

const forgettings = eventFilter({ streams: forgottenStream })
const pageRecords = 1000
const mostEvents = 500
/** Records that are of no interest move the position in memory only, so many before it is stored again. */
const mostUnsaved = 5000
/** After so many commits in a row a batch that was too large is tried larger again. */
const calmCommits = 32
/** Others may write what a handler reads: each conflict means that one of them went through. */
const retries = 1000

const oversize = ['TRANSACTION_TOO_LARGE', 'TRANSACTION_TOO_OLD']

/**
 * Goes through the events, each handled once: what follows from an event and the position behind it are in one commit.
 * Killed at any moment, it goes on as if nothing had been.
 */
export class EventProcessor {
  readonly #events: EventLog
  readonly #work: ProcessorWork
  readonly #waiters: PositionWaiters
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #checkpoint: Checkpoint
  /** Events below it are handled or of no interest. */
  #position: number
  #unsaved = 0
  #end: { readonly error: unknown } | undefined
  #batch = mostEvents
  #calm = 0
  #wake: () => void = () => undefined

  private constructor(events: EventLog, work: ProcessorWork, checkpoint: Checkpoint) {
    this.#events = events
    this.#work = work
    this.#waiters = new PositionWaiters(work.name)
    this.#checkpoint = checkpoint
    this.#position = checkpoint.position
    this.#ended = this.#run()
  }

  /**
   * Goes on where it was, for the first time from the given position on.
   * @throws AegisError `EVENTS_RECREATED`
   */
  static async start(events: EventLog, work: ProcessorWork, from: () => Promise<number>): Promise<EventProcessor> {
    const { checkpoint } = work
    const { incarnation } = events
    const stored = await checkpoint.read(events.log)
    if (stored !== undefined && stored.incarnation !== incarnation)
      throw new AegisError(
        'EVENTS_RECREATED',
        `${work.name} has gone through other events: ${eventsTopic} was deleted and made again; give it another name, so that it begins anew`,
      )
    const first = stored ?? { position: await from(), skipped: 0, incarnation }
    if (stored === undefined) await events.log.transaction(tx => checkpoint.write(tx, first))
    return new EventProcessor(events, work, first)
  }

  /** Everything below it is handled. */
  get position(): number {
    return this.#position
  }

  get skipped(): number {
    return this.#checkpoint.skipped
  }

  /** What it has ended by, if it has. */
  get ended(): { readonly error: unknown } | undefined {
    return this.#end
  }

  /** Resolves when an event at the position would be handled. */
  async waitFor(position: number, options: WaitForOptions = {}): Promise<void> {
    if (this.#end !== undefined && position >= this.#position) throw this.#end.error
    return this.#waiters.wait(position, this.#position, options)
  }

  /** Whether everything that is stored below a position is handled. Offsets are not dense: behind the last event is nothing to wait for. */
  async reached(end: number): Promise<boolean> {
    return (await firstBetween(this.#events, this.#position, end)) === undefined
  }

  /** Looks again for what is due between events. */
  wake(): void {
    this.#wake()
  }

  /** Counts something else than an event as left out, in the commit that leaves it out; to be called in `between`. */
  async leftOut(write: (tx: Transaction) => Promise<void> | void): Promise<void> {
    await this.#commit(this.#position, 1, write)
  }

  /** Ends after the commit that is on its way; resolves, whatever it ended by. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await this.#ended
  }

  async #run(): Promise<void> {
    try {
      await this.#follow()
      if (this.#unsaved > 0) await this.#save()
    } catch (error) {
      this.#endBy(error)
      this.#work.failed(error)
      return
    }
    this.#endBy(closedError(this.#work.name))
  }

  #endBy(error: unknown): void {
    this.#end = { error }
    this.#waiters.refuse(error)
  }

  async #follow(): Promise<void> {
    const { log } = this.#events
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const follower = log.follow(eventsTopic, {
        positions: new Map([[0, this.#position]]),
        maxRecords: pageRecords,
        signal,
      })
      try {
        let page: ReturnType<typeof follower.next> | undefined
        let next = this.#position
        // Another process may go through the events as well, and be ahead: then they are fetched from where it is.
        while (!signal.aborted && this.#position === next) {
          page ??= follower.next()
          const arrived = await this.#nextOf(page)
          if (signal.aborted || arrived === 'woken') continue
          if (arrived === undefined)
            throw new AegisError('EVENT_PROCESSOR_FAILED', `${this.#work.name} ended: its log was closed under it`)
          page = undefined
          next = arrived.nextOffset
          await this.#take(arrived.records, next)
        }
      } finally {
        follower.close()
      }
    }
  }

  /** The next page, or `'woken'` when something else may be due before there is one. */
  async #nextOf<Page>(page: Promise<Page>): Promise<Page | 'woken'> {
    if (this.#work.between === undefined) return page
    // It is waited for later: if it fails meanwhile, nobody has to care yet.
    page.catch(() => undefined)
    const woken = new Promise<'woken'>(resolve => {
      this.#wake = () => resolve('woken')
    })
    await this.#work.between(this)
    return this.#stopping.signal.aborted ? 'woken' : Promise.race([page, woken])
  }

  async #take(records: readonly LogRecord[], next: number): Promise<void> {
    const { filter, forget } = this.#work
    const wanted = records.filter(
      record => filter.record(record) || (forget !== undefined && forgettings.record(record)),
    )
    await this.#events.fetchKeys(wanted)
    for (let at = 0; at < wanted.length && !this.#stopping.signal.aborted; ) {
      const batch = wanted.slice(at, at + this.#batch)
      const following = wanted[at + batch.length]
      const handled = await this.#attempt(batch, following?.offset ?? next)
      if (handled === 'overtaken') return
      at += handled
    }
    if (this.#stopping.signal.aborted || wanted.length > 0) return
    this.#unsaved += records.length
    if (this.#unsaved >= mostUnsaved) await this.#save(next)
    else this.#moved(next)
  }

  /** Handles a batch in one commit; gives how many of its events are done with. */
  async #attempt(batch: readonly LogRecord[], next: number): Promise<number | 'overtaken'> {
    let failing = -1
    try {
      const went = await this.#commit(next, 0, async tx => {
        for (const [at, record] of batch.entries()) {
          failing = at
          await this.#handle(this.#events.decode(record), tx)
        }
        failing = -1
      })
      if (++this.#calm >= calmCommits) this.#batch = Math.min(mostEvents, this.#batch * 2)
      return went ? batch.length : 'overtaken'
    } catch (error) {
      if (batch.length > 1 && AegisError.is(error) && oversize.includes(error.code)) {
        this.#calm = 0
        this.#batch = Math.ceil(batch.length / 2)
        return 0
      }
      const record = batch[failing]
      if (record === undefined) throw error
      // Those before it are good, and it may be good by itself.
      if (failing > 0) return this.#attempt(batch.slice(0, failing), record.offset)
      if (batch.length > 1) return this.#attempt([record], batch[1]!.offset)
      return this.#refused(record, next, error)
    }
  }

  async #handle(event: StoredEvent, tx: Transaction): Promise<void> {
    const { filter, forget, handle } = this.#work
    const { codec, trace } = this.#events
    const subject = forgottenBy(event)
    if (subject !== undefined && forget !== undefined) await forget(subject, event, tx)
    else if (!filter.event(event) || !codec.takes(event)) return
    else if (trace === undefined) await handle(event, tx)
    else await trace.within(event, () => handle(event, tx))
  }

  async #refused(record: LogRecord, next: number, error: unknown): Promise<number | 'overtaken'> {
    const { name, onError, checkpoint } = this.#work
    const streamId = streamIdOf(record.key!)
    const { offset: position, version } = record
    if (onError === 'stop') {
      throw new AegisError(
        'EVENT_PROCESSOR_FAILED',
        `${name} stopped at version ${version} of stream ${streamId}, position ${position}: ${String(error)}; repair it and start it again, or let onError be 'skip'`,
        { cause: error, details: { streamId, version, position } },
      )
    }
    const skipped: SkippedEvent = { streamId, version: version!, position, error: String(error) }
    const went = await this.#commit(next, 1, tx => checkpoint.skip(tx, position, 'event', skipped))
    return went ? 1 : 'overtaken'
  }

  /** Gives false when another process was here: nothing was written, and the position is the other's. */
  async #commit(position: number, more: number, write: (tx: Transaction) => Promise<void> | void): Promise<boolean> {
    const { checkpoint } = this.#work
    const before = this.#checkpoint
    const after = { ...before, position, skipped: before.skipped + more }
    const stored = await this.#events.log.transaction(
      async tx => {
        const current = (await checkpoint.read(tx)) ?? before
        if (current.position !== before.position) return current
        await write(tx)
        checkpoint.write(tx, after)
        return after
      },
      { retries },
    )
    this.#checkpoint = stored
    this.#unsaved = 0
    this.#moved(stored.position)
    return stored === after
  }

  #save(position = this.#position): Promise<boolean> {
    return this.#commit(position, 0, () => undefined)
  }

  #moved(position: number): void {
    this.#position = position
    this.#waiters.advance(position)
    this.#work.advanced(position)
  }
}
