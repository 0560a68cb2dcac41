import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Log } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeEachLog } from '../../../../tooling/test/each-log.ts'
import { type CloudEvent, exportEvents, type ImportResult, importEvents } from '../../src/cloud-events/index.ts'
import { EventStore, type StoredEvent } from '../../src/index.ts'
import { Privacy } from '../../src/privacy/index.ts'
import { temporaryFolder } from '../given.ts'

async function given(open: () => Promise<Log>) {
  const log = await open()
  return { store: new EventStore(log), [Symbol.asyncDispose]: () => log.close() }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const parsed = async (store: EventStore, options = {}): Promise<CloudEvent[]> =>
  (await all(exportEvents(store, options))).map(line => JSON.parse(line))

/** What an import keeps. */
const kept = ({ id, type, streamId, data, metadata }: StoredEvent) => {
  const { occurredAt: _, ...rest } = metadata
  return { id, type, streamId, data, metadata: rest }
}

const cloudEvent = (overrides: object = {}): string =>
  `${JSON.stringify({ specversion: '1.0', id: '1', source: '/shop', subject: 'order-1', type: 'Placed', data: { n: 1 }, ...overrides })}\n`

describeEachLog('CloudEvents', open => {
  it('an event is a line in the format of CloudEvents 1.0', async () => {
    await using context = await given(open)
    const { store } = context
    const metadata = { user: { id: 7 }, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const { ids, position } = await store.append(
      'order/1 ü',
      { type: 'Placed', data: { n: 1 }, metadata },
      { correlationId: 'c' },
    )
    const [line] = await all(exportEvents(store, { source: 'https://shop.example/streams' }))
    expect(line!.endsWith('}\n')).toBe(true)
    const [event] = await store.load('order/1 ü')
    expect(JSON.parse(line!)).toEqual({
      specversion: '1.0',
      id: ids[0],
      source: 'https://shop.example/streams/order%2F1%20%C3%BC',
      type: 'Placed',
      subject: 'order/1 ü',
      time: new Date(event!.timestamp).toISOString(),
      datacontenttype: 'application/json',
      sequence: '0',
      position: String(position),
      traceparent: metadata.traceparent,
      correlationid: 'c',
      metadata: JSON.stringify({ ...metadata, correlationId: 'c' }),
      data: { n: 1 },
    })
    // Names of attributes are lower-case letters and digits: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
    for (const name of Object.keys(JSON.parse(line!))) expect(name).toMatch(/^[a-z0-9]{1,20}$/)
  })

  it('an export can be of some streams and types, and goes on behind a position', async () => {
    await using context = await given(open)
    const { store } = context
    for (let n = 0; n < 6; n++) await store.append(`${n % 2 ? 'odd' : 'even'}-1`, { type: `T${n % 3}`, data: n })
    const data = async (options: object) => (await parsed(store, options)).map(event => event.data)
    expect(await data({})).toEqual([0, 1, 2, 3, 4, 5])
    expect(await data({ streams: 'odd-*', types: ['T0', 'T1'] })).toEqual([1, 3])
    const first = (await parsed(store)).slice(0, 4)
    expect(await data({ from: Number(first.at(-1)!.position) + 1 })).toEqual([4, 5])
    expect(await data({ to: Number(first.at(-1)!.position) })).toEqual([0, 1, 2, 3])
    await expect(parsed(store, { source: '' })).rejects.toMatchObject({ code: 'EVENT_INVALID' })
  })

  it('what was exported is imported through a file, in order, once, however often it is imported', async () => {
    await using folder = await temporaryFolder()
    await using from = await given(open)
    await using to = await given(open)
    for (let n = 0; n < 500; n++)
      await from.store.append(`s-${n % 7}`, {
        type: 'T',
        data: { n, text: 'ü\u2028\n"' },
        metadata: n % 2 ? { n } : {},
      })
    const file = join(folder.path, 'events.ndjson')
    await pipeline(exportEvents(from.store), createWriteStream(file))
    const progress: ImportResult[] = []
    const first = await importEvents(to.store, createReadStream(file, { highWaterMark: 777 }), {
      onProgress: result => progress.push(result),
    })
    expect(first).toEqual({ line: 500, imported: 500, repeated: 0, invalid: 0 })
    expect(progress.length).toBeGreaterThan(1)
    expect(progress.at(-1)).toEqual(first)
    const again = await importEvents(to.store, createReadStream(file), { fromLine: 401 })
    expect(again).toEqual({ line: 500, imported: 0, repeated: 100, invalid: 0 })
    expect((await all(to.store.readAll())).map(kept)).toEqual((await all(from.store.readAll())).map(kept))
    const times = async (store: EventStore) => (await parsed(store)).map(event => event.time)
    expect(await times(to.store)).toEqual(await times(from.store))
  }, 60_000)

  it('lines of any ends and pieces are read, blank ones passed over, and the last needs no end', async () => {
    await using context = await given(open)
    const text = `\ufeff${cloudEvent({ id: 'a' }).trim()}\r\n\r\n  \n${cloudEvent({ id: 'ü', data: '😀' })}${cloudEvent({ id: 'c' }).trim()}`
    const bytes = Buffer.from(text)
    const pieces = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, at) => bytes.subarray(3 * at, 3 * at + 3))
    expect(await importEvents(context.store, pieces)).toEqual({ line: 5, imported: 3, repeated: 0, invalid: 0 })
    expect((await context.store.load('order-1')).map(({ id, data }) => [id, data])).toEqual([
      ['a', { n: 1 }],
      ['ü', '😀'],
      ['c', { n: 1 }],
    ])
    expect((await importEvents(context.store, [text])).repeated).toBe(3)
  })

  it('events of others are taken: the stream is the subject, the source, or what you say', async () => {
    await using context = await given(open)
    const { subject: _, ...foreign } = JSON.parse(
      cloudEvent({ id: 'x', correlationid: 'c', tracestate: 's', time: '2026-01-02T03:04:05Z', extra: [1] }),
    )
    await importEvents(context.store, [JSON.stringify(foreign)])
    const [event] = await context.store.load('/shop')
    expect([event!.data, event!.metadata]).toEqual([
      { n: 1 },
      { correlationId: 'c', tracestate: 's', occurredAt: '2026-01-02T03:04:05Z' },
    ])
    await importEvents(context.store, [cloudEvent()], { streamId: ({ type, id }) => `${type}-${id}` })
    expect(await context.store.load('Placed-1')).toHaveLength(1)
    const { data: __, ...empty } = JSON.parse(cloudEvent({ id: 'empty', subject: 'e' }))
    await importEvents(context.store, [JSON.stringify(empty)])
    expect((await context.store.load('e'))[0]!.data).toBeNull()
  })

  const broken: [name: string, line: string | Uint8Array, why: RegExp][] = [
    ['not JSON', '{"specversion"', /not JSON/],
    ['a list', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['another version', cloudEvent({ specversion: '0.3' }), /specversion is "0.3"/],
    ['no id', cloudEvent({ id: undefined }), /id is undefined/],
    ['an empty type', cloudEvent({ type: '' }), /type is ""/],
    ['a source that is no text', cloudEvent({ source: {} }), /source is \{\}/],
    ['a subject that is no text', cloudEvent({ subject: 7 }), /subject is 7/],
    ['a time that is none', cloudEvent({ time: 'yesterday' }), /time is "yesterday"/],
    ['bytes as data', cloudEvent({ data_base64: 'AAAA' }), /data_base64/],
    ['metadata that is not JSON', cloudEvent({ metadata: '{' }), /metadata is "\{": it must be JSON/],
    ['metadata that is a list', cloudEvent({ metadata: '[]' }), /must be a JSON object/],
    ['an attribute that is an object', cloudEvent({ traceparent: {} }), /traceparent/],
    ['a stream id with a star', cloudEvent({ subject: 'a*' }), /a\*/],
    ['an id of 201 characters', cloudEvent({ id: 'x'.repeat(201) }), /id/],
    [
      'attributes that are inherited',
      '{"__proto__":{"specversion":"1.0","id":"1","source":"s","type":"t"}}',
      /specversion is undefined/,
    ],
    ['an event of 2 MB', cloudEvent({ data: 'x'.repeat(2_000_000) }), /larger|bytes|large/i],
    ['a line of 9 MB', cloudEvent({ data: 'x'.repeat(9_000_000) }), /8000000 characters/],
    [
      'bytes that are not UTF-8',
      Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
      /UTF-8/,
    ],
  ]

  it.each(broken)(
    'a line that is broken is named, what is before it is stored, nothing behind it: %s',
    async (_, line, why) => {
      await using context = await given(open)
      const source = [
        cloudEvent({ id: 'a', subject: 's' }),
        '\n',
        cloudEvent({ id: 'b', subject: 's' }),
        line,
        '\n',
        cloudEvent({ id: 'c', subject: 's' }),
      ]
      const error = await importEvents(context.store, source).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'IMPORT_INVALID', details: { line: 4 }, message: expect.stringMatching(why) })
      expect((error as Error).message).toMatch(/^line 4: /)
      expect((await context.store.load('s')).map(({ id }) => id)).toEqual(['a', 'b'])
    },
  )

  it('by choice broken lines are told and left out', async () => {
    await using context = await given(open)
    const errors: unknown[] = []
    const lines = [
      cloudEvent({ id: 'a' }),
      'what\n',
      cloudEvent({ id: 'b' }),
      cloudEvent({ id: 'x', data: 'x'.repeat(2_000_000) }),
      cloudEvent({ id: 'c' }),
    ]
    const result = await importEvents(context.store, lines, { onInvalid: error => errors.push(error.details['line']) })
    expect([result, errors]).toEqual([{ line: 5, imported: 3, repeated: 0, invalid: 2 }, [2, 4]])
  })

  it('an id that another event of the stream has is refused, not taken for a repetition', async () => {
    await using context = await given(open)
    await importEvents(context.store, [cloudEvent({ source: '/a' })])
    await expect(importEvents(context.store, [cloudEvent({ source: '/b', data: { n: 2 } })])).rejects.toMatchObject({
      code: 'IMPORT_INVALID',
      message: expect.stringContaining('another event with id 1'),
    })
  })

  it('data with hostile keys comes through as it is', async () => {
    await using context = await given(open)
    const data = '{"__proto__":{"polluted":true},"constructor":{"prototype":{}},"toString":null,"toJSON":1}'
    await importEvents(context.store, [cloudEvent().replace('{"n":1}', data)])
    expect(JSON.stringify((await context.store.load('order-1'))[0]!.data)).toBe(data)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect((await importEvents(context.store, [cloudEvent().replace('{"n":1}', data)])).repeated).toBe(1)
  })

  it('what was forgotten is exported as absent, and a repetition of it is still one', async () => {
    await using log = await open()
    const privacy = new Privacy({
      masterKeys: [{ id: 'm', key: randomBytes(32) }],
      personalData: [{ type: 'Placed', subject: data => data.who, fields: ['name'] }],
    })
    const store = new EventStore(log, { privacy })
    const line = cloudEvent({ data: { who: 'ada', name: 'Ada', n: 1 } })
    await importEvents(store, [line])
    await privacy.forget('ada')
    expect((await parsed(store))[0]!.data).toEqual({ who: 'ada', name: { $absent: 'forgotten' }, n: 1 })
    expect((await importEvents(store, [line])).repeated).toBe(1)
  })

  it('interrupted anywhere and begun again, any events are imported once and in order', async () => {
    const event = fc.record({ stream: fc.constantFrom('a', 'b', 'ü/%'), data: fc.jsonValue() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 20 }),
        fc.array(fc.nat(19), { maxLength: 3 }),
        async (events, stops) => {
          await using from = await given(open)
          await using to = await given(open)
          for (const { stream, data } of events) await from.store.append(stream, { type: 'T', data })
          const lines = await all(exportEvents(from.store))
          for (const stop of stops) {
            const cut = Readable.from(
              (function* () {
                yield* lines.slice(0, stop)
                throw new Error('cut')
              })(),
            )
            await expect(importEvents(to.store, cut)).rejects.toThrow('cut')
          }
          await importEvents(to.store, lines)
          expect((await all(to.store.readAll())).map(kept)).toEqual((await all(from.store.readAll())).map(kept))
        },
      ),
      { numRuns: 20 },
    )
  }, 60_000)
})
