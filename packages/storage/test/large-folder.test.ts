import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { backupStorage, openLevel, type Storage } from '../src/index.ts'

// More than is compared with its checksums before LevelDB opens it: rows in many small blocks, then values that fill up.
let root = ''
const rows = Array.from({ length: 10_000 }, (_, n) => [`row${String(n).padStart(5, '0')}`, randomBytes(50)] as const)
const bytes = (text: string): Uint8Array => Buffer.from(text)

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-large-'))
  const storage = await openLevel({ dataDir: join(root, 'base') })
  await storage.commit(rows.map(([key, value]) => ({ type: 'put', key: bytes(key), value })))
  for (let n = 0; n < 70; n++) {
    const key = bytes(`value${String(n).padStart(2, '0')}`)
    await storage.commit([{ type: 'put', key, value: randomBytes(1_000_000) }], { durability: 'buffered' })
  }
  await storage.close()
  // What is still in the log becomes a table, and all is merged: of what is damaged later LevelDB makes no other table by itself.
  const merged = await openLevel({ dataDir: join(root, 'base') })
  await merged.compact(bytes('a'), bytes('z'))
  await merged.close()
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** A copy of the folder whose table with some content was changed at a place. */
async function damaged(name: string, content: Buffer, place: (size: number) => number): Promise<string> {
  const dataDir = join(root, name)
  await cp(join(root, 'base'), dataDir, { recursive: true })
  for (const file of await readdir(dataDir)) {
    if (!file.endsWith('.ldb')) continue
    const table = await readFile(join(dataDir, file))
    if (!table.includes(content)) continue
    table[place(table.length)]! ^= 4
    await writeFile(join(dataDir, file), table)
    return dataDir
  }
  throw new Error('no table has it')
}

const damagedRows = (name: string): Promise<string> => damaged(name, rows[5_000]![1], () => 300_000)

/** Opens a folder and waits until its damage is found. */
async function found(dataDir: string): Promise<{ storage: Storage; warning: string }> {
  const warned = new Promise<string>(resolve => {
    const listen = (warning: Error & { code?: string }): void => {
      if (warning.code !== 'AEGIS_STORAGE_DAMAGE' || !warning.message.includes(dataDir)) return
      process.off('warning', listen)
      resolve(warning.message)
    }
    process.on('warning', listen)
  })
  const storage = await openLevel({ dataDir })
  return { storage, warning: await warned }
}

async function read(storage: Storage, key: string): Promise<string> {
  try {
    const [value] = await storage.getMany([bytes(key)])
    return value === undefined ? 'nothing' : Buffer.from(value).toString('hex')
  } catch (error) {
    return (error as { code: string }).code
  }
}

const list = async (storage: Storage, range: object): Promise<number> => {
  let count = 0
  for await (const chunk of storage.range({ chunkBytes: 10_000, ...range })) count += chunk.length
  return count
}

describe('damage of a folder that is too large to be compared at open', () => {
  it('is found in the background: what it may hide is an error, the rest is read, nothing is written', async () => {
    const dataDir = await damagedRows('block')
    const { storage, warning } = await found(dataDir)
    expect(warning).toMatch(/\.ldb at byte \d+.*Restore a backup/)
    expect(storage.status).toBe('damaged')
    const outcomes = new Map<string, string>()
    for (const [key] of rows) outcomes.set(key, await read(storage, key))
    const refused = rows.filter(([key]) => outcomes.get(key) === 'STORAGE_CORRUPT')
    // One block of 4 KB, and the key before it.
    expect(refused.length).toBeGreaterThan(10)
    expect(refused.length).toBeLessThan(100)
    for (const row of rows) {
      if (!refused.includes(row)) expect(outcomes.get(row[0])).toBe(row[1].toString('hex'))
    }
    const from = rows.indexOf(refused[0]!)
    const behind = rows.indexOf(refused.at(-1)!) + 1
    const first = bytes(rows[from]![0])
    for (const reverse of [false, true]) {
      expect(await list(storage, { lt: bytes(rows[from - 1]![0]), reverse })).toBe(from - 1)
      const rest = { gte: bytes(rows[behind]![0]), lt: bytes('s') }
      expect(await list(storage, { ...rest, reverse })).toBe(rows.length - behind)
      await expect(list(storage, { lt: bytes('s'), reverse })).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
      await expect(list(storage, { gte: first, lte: first, reverse })).rejects.toMatchObject({
        code: 'STORAGE_CORRUPT',
      })
      expect(await list(storage, { gte: bytes('row'), reverse: false, limit: 1 })).toBe(1)
    }
    await using snapshot = storage.snapshot()
    await expect(snapshot.get(first)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
    expect(() => storage.getSync(first)).toThrow(/Damaged data/)
    const refusal = { code: 'STORAGE_CORRUPT', details: { folder: dataDir } }
    await expect(storage.commit([{ type: 'put', key: bytes('k'), value: bytes('v') }])).rejects.toMatchObject(refusal)
    await expect(storage.flush()).rejects.toMatchObject(refusal)
    await expect(storage.compact(bytes('a'), bytes('z'))).rejects.toMatchObject(refusal)
    expect((await storage.verify()).damage).toHaveLength(1)
    await storage.close()
    // Who accepts the loss is not told again.
    await using accepted = await openLevel({ dataDir, allowLoss: true })
    await accepted.commit([{ type: 'put', key: bytes('k'), value: bytes('v') }])
  })

  it('of an index hides the whole table', async () => {
    // One that LevelDB need not look into to open the folder.
    const { storage } = await found(await damaged('index', Buffer.from('value35'), size => size - 120))
    expect(await read(storage, 'value35')).toBe('STORAGE_CORRUPT')
    expect(await read(storage, 'value36')).toBe('STORAGE_CORRUPT')
    expect(await read(storage, rows[0]![0])).toBe(rows[0]![1].toString('hex'))
    expect(await read(storage, 'z')).toBe('nothing')
    await storage.close()
  })

  it('is not copied into a backup, also before it is found', async () => {
    await using storage = await openLevel({ dataDir: await damagedRows('backup'), allowLoss: true })
    const to = join(root, 'no-backup')
    await expect(backupStorage(storage, { to })).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
    expect(await readdir(root)).not.toContain('no-backup')
    expect((await storage.verify({ values: false })).damage).toHaveLength(1)
  })

  it('is not waited for by a close', async () => {
    const storage = await openLevel({ dataDir: join(root, 'base') })
    await storage.close()
    expect(storage.status).toBe('closed')
  })
})
