import type { Log } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { EventStore, type ExpectedVersion, type StoredEvent } from '../src/index.ts'
import { checkOrder, temporaryFolder } from './given.ts'

interface Stream {
  /** Data of all events ever appended, by version. */
  readonly events: number[]
  truncateBefore: number
  since: number
  tombstoned: boolean
  maxCount: number | undefined
}

/** What the store should hold. */
interface Model {
  readonly streams: Map<string, Stream>
  next: number
}

interface Real {
  store: EventStore
  reopen(): Promise<EventStore>
}

const streamOf = (model: Model, id: string): Stream => {
  let stream = model.streams.get(id)
  if (stream === undefined) {
    stream = { events: [], truncateBefore: 0, since: 0, tombstoned: false, maxCount: undefined }
    model.streams.set(id, stream)
  }
  return stream
}

const lastOf = ({ events, since }: Stream): number | 'no-stream' =>
  events.length > since ? events.length - 1 : 'no-stream'

const keptOf = ({ events, since, truncateBefore, maxCount }: Stream): number[] =>
  events.slice(Math.max(since, truncateBefore, maxCount === undefined ? 0 : events.length - maxCount))

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: { code: string }) => error.code)

type Work = (model: Model, real: Real) => Promise<void>

/** A step by what it does and how it is shown when a run fails. */
class Step implements fc.AsyncCommand<Model, Real> {
  readonly #text: string
  readonly #work: Work
  constructor(text: string, work: Work) {
    this.#text = text
    this.#work = work
  }
  check(): boolean {
    return true
  }
  run(model: Model, real: Real): Promise<void> {
    return this.#work(model, real)
  }
  toString(): string {
    return this.#text
  }
}

function refusal(stream: Stream, expected: ExpectedVersion): string | undefined {
  if (stream.tombstoned) return 'STREAM_TOMBSTONED'
  const last = lastOf(stream)
  if (expected === 'any' || (expected === 'stream-exists' ? last !== 'no-stream' : expected === last)) return undefined
  return 'VERSION_CONFLICT'
}

const id = fc.constantFrom('a-1', 'a-2', 'b-1')
const expectedVersion = fc.oneof(
  { weight: 3, arbitrary: fc.constant<ExpectedVersion>('any') },
  { weight: 1, arbitrary: fc.constantFrom<ExpectedVersion>('no-stream', 'stream-exists') },
  { weight: 2, arbitrary: fc.nat(12) },
)

function append(model: Model, streamId: string, count: number) {
  const data = Array.from({ length: count }, () => model.next++)
  return { data, events: data.map(n => ({ type: n % 2 === 0 ? 'even' : 'odd', data: n })), streamId }
}

const steps = [
  fc.record({ id, count: fc.integer({ min: 1, max: 4 }), expectedVersion }).map(
    given =>
      new Step(`append ${JSON.stringify(given)}`, async (model, { store }) => {
        const stream = streamOf(model, given.id)
        const { data, events } = append(model, given.id, given.count)
        const refused = refusal(stream, given.expectedVersion)
        const result = await outcome(store.append(given.id, events, { expectedVersion: given.expectedVersion }))
        if (refused !== undefined) {
          expect(result).toBe(refused)
          return
        }
        stream.events.push(...data)
        expect(result).toMatchObject({ version: stream.events.length - 1 })
      }),
  ),
  fc.tuple(id, id, expectedVersion).map(
    ([one, two, expected]) =>
      new Step(`transaction ${one} ${two} ${expected}`, async (model, { store }) => {
        const first = append(model, one, 1)
        const second = append(model, two, 2)
        const before = streamOf(model, one)
        const after = { ...streamOf(model, two), events: [...streamOf(model, two).events] }
        if (one === two) after.events.push(...first.data)
        const refused = before.tombstoned ? 'STREAM_TOMBSTONED' : refusal(after, expected)
        const result = await outcome(
          store.transaction(async tx => {
            await tx.append(one, first.events)
            await tx.append(two, second.events, { expectedVersion: expected })
            return tx.load(two)
          }),
        )
        if (refused !== undefined) {
          expect(result).toBe(refused)
          return
        }
        before.events.push(...first.data)
        streamOf(model, two).events.push(...second.data)
        expect((result as StoredEvent[]).map(event => event.data)).toEqual(keptOf(streamOf(model, two)))
      }),
  ),
  fc.tuple(id, fc.boolean()).map(
    ([streamId, tombstone]) =>
      new Step(`delete ${streamId} ${tombstone ? 'for good' : ''}`, async (model, { store }) => {
        const stream = streamOf(model, streamId)
        const result = await outcome(store.deleteStream(streamId, { tombstone }))
        expect(result).toBe(stream.tombstoned ? 'STREAM_TOMBSTONED' : undefined)
        if (stream.tombstoned) return
        stream.since = stream.events.length
        stream.truncateBefore = stream.events.length
        stream.maxCount = undefined
        stream.tombstoned = tombstone
      }),
  ),
  fc.tuple(id, fc.nat(8)).map(
    ([streamId, before]) =>
      new Step(`truncate ${streamId} before ${before}`, async (model, { store }) => {
        const stream = streamOf(model, streamId)
        const result = await outcome(store.truncateStream(streamId, { before }))
        if (stream.tombstoned) expect(result).toBe('STREAM_TOMBSTONED')
        else if (before > stream.events.length) expect(result).toBe('EVENT_INVALID')
        else stream.truncateBefore = Math.max(stream.truncateBefore, before)
      }),
  ),
  fc.tuple(id, fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined })).map(
    ([streamId, maxCount]) =>
      new Step(`retain ${streamId} ${maxCount}`, async (model, { store }) => {
        const stream = streamOf(model, streamId)
        const result = await outcome(store.retainStream(streamId, maxCount === undefined ? {} : { maxCount }))
        if (stream.tombstoned) expect(result).toBe('STREAM_TOMBSTONED')
        else {
          stream.truncateBefore = stream.events.length - keptOf(stream).length
          stream.maxCount = maxCount
        }
      }),
  ),
  fc.constant(
    new Step('reopen', async (_, real) => {
      real.store = await real.reopen()
    }),
  ),
]

/** Runs random programs against stores that `place` opens, each in a place of its own, over and over. */
async function checkPrograms(place: () => Promise<Place>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 30, size: '+1' }), async commands => {
      await using opened = await place()
      const real: Real = {
        store: await opened.open(),
        async reopen() {
          await this.store.close()
          return opened.open()
        },
      }
      const model: Model = { streams: new Map(), next: 0 }
      try {
        await fc.asyncModelRun(() => ({ model, real }), commands)
        await checkAll(model, real.store)
      } finally {
        await real.store.close()
      }
    }),
    { numRuns },
  )
}

interface Place extends AsyncDisposable {
  open(): Promise<EventStore>
}

async function checkAll(model: Model, store: EventStore): Promise<void> {
  const all: StoredEvent[] = []
  for await (const event of store.readAll()) all.push(event)
  for (const [streamId, stream] of model.streams) {
    const kept = keptOf(stream)
    const loaded = await store.load(streamId)
    expect(loaded.map(event => event.data)).toEqual(kept)
    expect(loaded.map(event => event.version)).toEqual(kept.map((_, at) => stream.events.length - kept.length + at))
    const backwards: number[] = []
    for await (const event of store.read(streamId, { direction: 'backwards' })) backwards.push(event.data)
    expect(backwards.reverse()).toEqual(kept)
    const inFeed = all.filter(event => event.streamId === streamId)
    expect(inFeed.slice(inFeed.length - loaded.length)).toEqual(loaded)
  }
  checkRising(all)
}

it('whatever is done to streams, they read as a list of what was appended does', async () => {
  await checkPrograms(async () => {
    const folder = await temporaryFolder()
    return {
      open: () => EventStore.open({ dataDir: folder.path, durability: 'buffered' }),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  }, 40)
}, 60_000)

describeWithServer(
  'on a cluster',
  () => {
    const server = givenServer()

    it('whatever is done to streams, they read as a list of what was appended does', async () => {
      await checkPrograms(async () => {
        const domain = server.domain()
        let log: Log | undefined
        return {
          async open() {
            await log?.close()
            log = await connectLog({ url: server.url, domain })
            return new EventStore(log)
          },
          [Symbol.asyncDispose]: async () => log?.close(),
        }
      }, 10)
    }, 60_000)
  },
  '2.12.0',
)

/** What was truncated may be gone from the feed, so that versions have gaps, but both go up. */
function checkRising(events: readonly StoredEvent[]): void {
  const dense = new Map<string, number>()
  checkOrder(
    events.map(event => {
      const version = dense.get(event.streamId) ?? 0
      dense.set(event.streamId, version + 1)
      return { ...event, version }
    }),
  )
}
