import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLevel, openMemory, type Storage } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
let dataDir = ''
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'aegis-storage-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

describe.each([
  ['memory', () => openMemory()],
  ['LevelDB', () => openLevel({ dataDir })],
] as const)('any storage: %s', (_name, open: () => Promise<Storage>) => {
  it('applies a commit whole and reads it back', async () => {
    await using storage = await open()
    await storage.commit([
      { type: 'put', key: bytes('a'), value: bytes('1') },
      { type: 'put', key: bytes('b'), value: new Uint8Array() },
    ])
    await storage.commit([{ type: 'delete', key: bytes('a') }])
    expect(await storage.getMany([bytes('a'), bytes('b')])).toEqual([undefined, Buffer.alloc(0)])
    expect(text(storage.getSync(bytes('b')))).toBe('')
  })

  it('lists a range in byte order, in both directions and with a limit', async () => {
    await using storage = await open()
    const keys = ['\u00ff', 'a', 'b\0', 'b', 'c']
    await storage.commit(keys.map(key => ({ type: 'put', key: bytes(key), value: bytes(key) })))
    const list = async (options: object): Promise<string[]> => {
      const found: string[] = []
      for await (const chunk of storage.range(options)) found.push(...chunk.map(([key]) => Buffer.from(key).toString()))
      return found
    }
    expect(await list({})).toEqual(['a', 'b', 'b\0', 'c', '\u00ff'])
    expect(await list({ gt: bytes('a'), lt: bytes('c') })).toEqual(['b', 'b\0'])
    expect(await list({ reverse: true, limit: 2 })).toEqual(['\u00ff', 'c'])
  })

  it('keeps a snapshot as it was', async () => {
    await using storage = await open()
    await storage.commit([{ type: 'put', key: bytes('k'), value: bytes('old') }])
    await using snapshot = storage.snapshot()
    await storage.commit([{ type: 'put', key: bytes('k'), value: bytes('new') }])
    expect([text(await snapshot.get(bytes('k'))), text(await storage.get(bytes('k')))]).toEqual(['old', 'new'])
  })

  it('finishes the commits that were called before close, and refuses those after it', async () => {
    const storage = await open()
    const before = storage.commit([{ type: 'put', key: bytes('k'), value: bytes('v') }])
    await storage.close()
    await before
    await expect(storage.get(bytes('k'))).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
    await expect(storage.commit([])).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  })
})

describe('a folder', () => {
  it('keeps what was committed, and its id, over a reopen', async () => {
    const first = await openLevel({ dataDir })
    await first.commit([{ type: 'put', key: bytes('k'), value: bytes('v') }])
    await first.close()
    await using second = await openLevel({ dataDir })
    expect([text(await second.get(bytes('k'))), second.databaseId]).toEqual(['v', first.databaseId])
  })

  it('is refused to a second opener in this process and then still to another process', async () => {
    await using storage = await openLevel({ dataDir })
    await expect(openLevel({ dataDir })).rejects.toMatchObject({
      code: 'STORAGE_LOCKED',
      details: { processId: process.pid },
    })
    const program = `import { openLevel } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
      await openLevel({ dataDir: process.argv[1] }).then(() => console.log('opened'), error => console.log(error.code, error.details.processId))`
    const other = spawnSync(process.execPath, ['--input-type=module', '-e', program, dataDir], { encoding: 'utf8' })
    expect(other.stdout.trim()).toBe(`STORAGE_LOCKED ${process.pid}`)
    await storage.commit([{ type: 'put', key: bytes('k'), value: bytes('v') }])
  })

  it('is only for its owner to read', async () => {
    await using _ = await openLevel({ dataDir: join(dataDir, 'new') })
    expect((await stat(join(dataDir, 'new'))).mode & 0o777).toBe(0o700)
  })

  it('with files of somebody else is refused and left alone', async () => {
    await writeFile(join(dataDir, 'thesis.txt'), 'mine')
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_FORMAT' })
    expect(await readdir(dataDir)).toEqual(['thesis.txt'])
  })

  it('that lost its CURRENT is never taken for a new one', async () => {
    await (await openLevel({ dataDir })).close()
    await rm(join(dataDir, 'CURRENT'))
    const before = (await readdir(dataDir)).sort()
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_LOSS' })
    expect((await readdir(dataDir)).sort()).toEqual(before)
  })

  const filled = async (): Promise<string> => {
    const storage = await openLevel({ dataDir })
    for (let n = 0; n < 50; n++)
      await storage.commit([{ type: 'put', key: bytes(`${n}`), value: bytes('v'.repeat(100)) }])
    await storage.close()
    const logs = (await readdir(dataDir)).filter(name => name.endsWith('.log'))
    expect(logs).toHaveLength(1)
    return join(dataDir, logs[0]!)
  }

  it('with one byte flipped in the middle of the write-ahead log is reported and left as it is', async () => {
    const log = await filled()
    const damaged = await readFile(log)
    damaged[damaged.length >> 1] = damaged[damaged.length >> 1]! ^ 1
    await writeFile(log, damaged)
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_LOSS' })
    expect(await readFile(log)).toEqual(damaged)
    await (await openLevel({ dataDir, allowLoss: true })).close()
  })

  it.each([0, 0.5, 0.99])('with the write-ahead log cut to %s of its length is reported', async part => {
    const log = await filled()
    const whole = await readFile(log)
    await writeFile(log, whole.subarray(0, Math.floor(whole.length * part)))
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_LOSS' })
  })

  it('with the write-ahead log deleted is reported', async () => {
    await rm(await filled())
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_LOSS' })
  })

  it('of a newer format is refused by name', async () => {
    await writeFile(join(dataDir, 'aegis.json'), '{"format":99,"databaseId":"x","complete":true}')
    await expect(openLevel({ dataDir })).rejects.toThrow(/format 99/)
  })
})
