import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLevel } from '../src/index.ts'
import { seededRandom } from '../src/testing/index.ts'

// One database with tables, a log that is not in tables, and rewritten and deleted keys; each case damages a copy.
let root = ''
let base = ''
let files: string[] = []
let databaseId = ''
const expected: [string, string][] = []
const seed = Math.floor(Math.random() * 1e9)

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-corruption-'))
  base = join(root, 'base')
  const model = new Map<string, string>()
  for (let session = 0; session < 3; session++) {
    // Each open makes a table of the log of the one before.
    const storage = await openLevel({ dataDir: base })
    for (let n = session * 100; n < session * 100 + 400; n += 20) {
      const keys = Array.from({ length: 20 }, (_, k) => `key${String(n + k).padStart(5, '0')}`)
      const value = (key: string) => JSON.stringify({ key, session, text: 'abc'.repeat((n % 7) * 10) })
      for (const key of keys) model.set(key, value(key))
      model.delete(keys[0]!)
      await storage.commit([
        ...keys.map(key => ({ type: 'put', key: Buffer.from(key), value: Buffer.from(value(key)) }) as const),
        { type: 'delete', key: Buffer.from(keys[0]!) },
      ])
    }
    databaseId = storage.databaseId
    await storage.close()
  }
  expected.push(...[...model].sort(([a], [b]) => (a < b ? -1 : 1)))
  files = await readdir(base)
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** What came of a damaged folder: the right data, or an error with a code. Anything else fails the test. */
async function outcome(dataDir: string): Promise<string> {
  let storage
  try {
    storage = await openLevel({ dataDir })
  } catch (error) {
    return (error as { code: string }).code
  }
  try {
    const found: [string, string][] = []
    for await (const chunk of storage.range()) {
      for (const [key, value] of chunk) found.push([Buffer.from(key).toString(), Buffer.from(value).toString()])
    }
    const one = await storage.getMany(expected.map(([key]) => Buffer.from(key)))
    const same =
      storage.databaseId === databaseId &&
      JSON.stringify(found) === JSON.stringify(expected) &&
      one.every((value, n) => value !== undefined && Buffer.from(value).toString() === expected[n]![1])
    if (same) return 'right'
    const { damage } = await storage.verify()
    return damage.length > 0 ? 'wrong data, seen by verify' : 'wrong data'
  } finally {
    await storage.close()
  }
}

const kinds = {
  CURRENT: /^CURRENT$/,
  MANIFEST: /^MANIFEST/,
  'write-ahead log': /\.log$/,
  table: /\.ldb$/,
  'side file': /^aegis\.commits$/,
  marker: /^aegis\.json$/,
}

type Damaging = (file: string, content: Buffer, fraction: () => number) => Promise<void>

const damages: Record<string, Damaging> = {
  'a flipped bit': (file, content, fraction) => {
    const at = Math.floor(fraction() * content.length)
    content[at] = content[at]! ^ (1 << Math.floor(fraction() * 8))
    return writeFile(file, content)
  },
  'a lost end': (file, content, fraction) => truncate(file, Math.floor(fraction() * content.length)),
  'a zeroed part': (file, content, fraction) => {
    const from = Math.floor(fraction() * content.length)
    return writeFile(file, content.fill(0, from, Math.min(content.length, from + 1 + Math.floor(fraction() * 600))))
  },
  deletion: file => rm(file),
}

describe.each(Object.entries(kinds))('damage of the %s', (kind, pattern) => {
  it.each(Object.entries(damages))(
    'by %s gives the right data or a typed error, never other data',
    async (name, damage) => {
      const { fraction } = seededRandom(seed + kind.length * 31 + name.length)
      const allowed = ['right', 'STORAGE_CORRUPT', 'STORAGE_FORMAT', 'STORAGE_IO', 'STORAGE_LOSS']
      // A table has the most places that matter, and a deletion has one.
      const tries = name === 'deletion' ? 1 : kind === 'table' ? 25 : 10
      for (let n = 0; n < tries; n++) {
        const dataDir = join(root, `${kind}-${name}-${n}`.replaceAll(' ', '-'))
        await cp(base, dataDir, { recursive: true })
        const of = files.filter(file => pattern.test(file))
        const file = join(dataDir, of[Math.floor(fraction() * of.length)]!)
        await damage(file, await readFile(file), fraction)
        expect(allowed, `seed ${seed}, ${dataDir}`).toContain(await outcome(dataDir))
        await rm(dataDir, { recursive: true })
      }
    },
  )
})

it('a change of any block of a table is found by verify, in a database that is too large to be compared at open', async () => {
  const { fraction } = seededRandom(seed)
  const dataDir = join(root, 'verified')
  await cp(base, dataDir, { recursive: true })
  const table = join(dataDir, files.find(file => file.endsWith('.ldb')) ?? '')
  await using storage = await openLevel({ dataDir })
  const whole = await readFile(table)
  expect((await storage.verify()).damage).toEqual([])
  for (let n = 0; n < 200; n++) {
    const damaged = Buffer.from(whole)
    const at = Math.floor(fraction() * whole.length)
    damaged[at] = damaged[at]! ^ (1 << Math.floor(fraction() * 8))
    await writeFile(table, damaged)
    // The footer has no checksum: what of it matters is compared with what must be there.
    const { damage } = await storage.verify()
    if (damage.length === 0) expect(at, `seed ${seed}`).toBeGreaterThan(whole.length - 48)
    else expect(damage[0]?.file).toMatch(/\.ldb$/)
  }
  await writeFile(table, whole)
  expect((await storage.verify()).damage).toEqual([])
})

it('a folder with a damaged table is not opened and left as it is, unless loss is allowed', async () => {
  const dataDir = join(root, 'refused')
  await cp(base, dataDir, { recursive: true })
  const table = join(dataDir, files.find(file => file.endsWith('.ldb')) ?? '')
  const content = await readFile(table)
  content[10] = content[10]! ^ 1
  await writeFile(table, content)
  const before = (await readdir(dataDir)).sort()
  await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_CORRUPT', details: { offset: 0 } })
  expect((await readdir(dataDir)).sort()).toEqual(before)
  await (await openLevel({ dataDir, allowLoss: true })).close()
})
