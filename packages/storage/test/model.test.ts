import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { openLevel, openMemory, type RangeOptions, type Storage, type StorageReader } from '../src/index.ts'
import { FaultyDisk } from '../src/testing/index.ts'

/** What a storage should hold: hex of key to hex of value. Hex has the order of the bytes. */
type Model = ReadonlyMap<string, string>

const bytes = (hex: string) => Buffer.from(hex, 'hex')
const hex = (value: Uint8Array | undefined) => value && Buffer.from(value).toString('hex')

// Few short keys, so that they meet, among them those at the borders.
const key = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2 }).map(hex),
  fc.constantFrom('00', 'ff', 'ffff', '0100'),
) as fc.Arbitrary<string>
const value = fc.uint8Array({ maxLength: 20 }).map(hex) as fc.Arbitrary<string>
const operation = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('delete' as const), key }),
)
const bound = fc.option(key, { nil: undefined })
const range = fc.record({
  gte: bound,
  gt: bound,
  lte: bound,
  lt: bound,
  reverse: fc.boolean(),
  limit: fc.option(fc.nat(5), { nil: undefined }),
  chunkBytes: fc.integer({ min: 1, max: 40 }),
})
const step = fc.oneof(
  fc.record({
    do: fc.constant('commit' as const),
    operations: fc.array(operation, { maxLength: 6 }),
    durability: fc.constantFrom('fsync' as const, 'buffered' as const),
    wait: fc.boolean(),
  }),
  fc.record({ do: fc.constant('read' as const), keys: fc.array(key, { minLength: 1, maxLength: 4 }) }),
  fc.record({ do: fc.constant('range' as const), range }),
  fc.record({ do: fc.constant('snapshot' as const) }),
  fc.record({ do: fc.constant('compact' as const) }),
  fc.record({ do: fc.constant('reopen' as const) }),
)

function expectedRange(model: Model, { gte, gt, lte, lt, reverse, limit = Infinity }: Record<string, unknown>) {
  const entries = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
  const within = entries.filter(
    ([k]) =>
      (gte === undefined || k >= (gte as string)) &&
      (gt === undefined || k > (gt as string)) &&
      (lte === undefined || k <= (lte as string)) &&
      (lt === undefined || k < (lt as string)),
  )
  return (reverse === true ? within.reverse() : within).slice(0, limit as number)
}

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

async function check(reader: StorageReader, model: Model, options: Record<string, unknown> = {}) {
  const given = Object.entries(options).filter(([, option]) => option !== undefined)
  const stored = given.map(([name, option]) => [name, typeof option === 'string' ? bytes(option) : option])
  const found: unknown[] = []
  for await (const chunk of reader.range(Object.fromEntries(stored) as RangeOptions)) {
    found.push(...chunk.map(([k, v]) => [hex(k), hex(v)]))
  }
  expect(found).toEqual(expectedRange(model, options))
}

async function run(open: () => Promise<Storage>, steps: readonly Step[], keeps: boolean) {
  let storage = await open()
  let model = new Map<string, string>()
  const snapshots: { view: StorageReader; model: Model }[] = []
  const pending: Promise<void>[] = []
  const settle = () => Promise.all(pending.splice(0))
  try {
    for (const s of steps) {
      if (s.do === 'commit') {
        const operations = s.operations.map(o =>
          o.type === 'put'
            ? { type: o.type, key: bytes(o.key), value: bytes(o.value) }
            : { type: o.type, key: bytes(o.key) },
        )
        pending.push(storage.commit(operations, { durability: s.durability }))
        for (const o of s.operations) o.type === 'put' ? model.set(o.key, o.value) : model.delete(o.key)
        if (s.wait) await settle()
        continue
      }
      await settle()
      if (s.do === 'read') {
        const expected = s.keys.map(k => model.get(k))
        expect((await storage.getMany(s.keys.map(bytes))).map(hex)).toEqual(expected)
        expect(s.keys.map(k => hex(storage.getSync(bytes(k))))).toEqual(expected)
        expect(hex(await storage.get(bytes(s.keys[0]!)))).toBe(expected[0])
      } else if (s.do === 'range') {
        await check(storage, model, s.range)
        for (const snapshot of snapshots) await check(snapshot.view, snapshot.model, s.range)
      } else if (s.do === 'snapshot') {
        snapshots.push({ view: storage.snapshot(), model: new Map(model) })
      } else if (s.do === 'compact') {
        await storage.compact(bytes('00'), bytes('ff'))
      } else {
        snapshots.length = 0
        await storage.close()
        storage = await open()
        if (!keeps) model = new Map()
      }
    }
    await settle()
    await check(storage, model)
  } finally {
    await storage.close()
  }
}

it.each([
  ['LevelDB', 40],
  ['memory', 150],
  ['a faulty disk without faults', 150],
] as const)('%s behaves like a sorted map', async (name, numRuns) => {
  const steps = fc.array(step, { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      if (name === 'memory') return run(openMemory, all, false)
      if (name !== 'LevelDB') {
        const disk = new FaultyDisk()
        return run(() => disk.open(), all, true)
      }
      const dataDir = await mkdtemp(join(tmpdir(), 'aegis-model-'))
      try {
        await run(() => openLevel({ dataDir }), all, true)
      } finally {
        await rm(dataDir, { recursive: true, force: true })
      }
    }),
    { numRuns },
  )
})
