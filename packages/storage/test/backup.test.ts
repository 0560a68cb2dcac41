import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  backupStorage,
  openBackup,
  openLevel,
  openMemory,
  type Progress,
  restoreBackup,
  type Storage,
  type StorageReader,
} from '../src/index.ts'
import { FaultyDisk } from '../src/testing/index.ts'

const put = (key: string, value: string) => ({ type: 'put', key: Buffer.from(key), value: Buffer.from(value) }) as const
async function list(reader: StorageReader): Promise<string[]> {
  const found: string[] = []
  for await (const chunk of reader.range())
    for (const [k, v] of chunk) found.push(`${Buffer.from(k)}=${Buffer.from(v)}`)
  return found
}
const read = async (path: string) => {
  const { storage } = await openBackup(path)
  try {
    return await list(storage)
  } finally {
    await storage.close()
  }
}

let root = ''
const at = (name: string) => join(root, name)
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-backup-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const filled = async (storage: Storage, count = 2_000) => {
  const value = 'v'.repeat(2_000)
  for (let from = 0; from < count; from += 500) {
    await storage.commit(Array.from({ length: 500 }, (_, n) => put(`key${String(from + n).padStart(6, '0')}`, value)))
  }
}

describe('a backup', () => {
  it('has what was there at one moment, while the database is written on', async () => {
    await using storage = await openLevel({ dataDir: at('data') })
    await filled(storage)
    // Each commit rewrites both ends of the key space, so a backup of two moments shows.
    let round = 0
    let stopped = false
    const writer = (async () => {
      for (; !stopped; round++) await storage.commit([put('a', `${round}`), put('z', `${round}`)])
    })()
    const progress: Progress[] = []
    const result = await backupStorage(storage, { to: at('backup'), onProgress: step => progress.push(step) })
    stopped = true
    await writer
    const copied = await read(at('backup'))
    const [first, last] = [copied[0]?.split('='), copied.at(-1)?.split('=')]
    expect([first?.[0], last?.[0], first?.[1]]).toEqual(['a', 'z', last?.[1]])
    expect(copied).toHaveLength(2_002)
    expect([result.entries, result.origin]).toEqual([2_002, storage.databaseId])
    const fractions = progress.map(({ fraction }) => fraction)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toEqual({ entries: result.entries, bytes: result.bytes, fraction: 1 })
  })

  it('leaves the lock of the running database alone: another process is still refused', async () => {
    await using storage = await openLevel({ dataDir: at('data') })
    await backupStorage(storage, { to: at('backup') })
    expect(await openIn(at('data'))).toBe('STORAGE_LOCKED')
  })

  it('is only for its owner to read', async () => {
    await using storage = await openMemory()
    await backupStorage(storage, { to: at('backup') })
    expect((await stat(at('backup'))).mode & 0o777).toBe(0o700)
  })

  it('of a fenced storage can be made: what is there can be saved', async () => {
    const disk = new FaultyDisk()
    const storage = await disk.open()
    await storage.commit([put('a', '1')])
    disk.fail()
    await expect(storage.commit([put('b', '2')])).rejects.toMatchObject({ code: 'STORAGE_IO' })
    await backupStorage(storage, { to: at('backup') })
    expect(await read(at('backup'))).toEqual(['a=1'])
  })

  it.each(['a file of somebody else', 'a database', 'a backup'])('is refused in a folder with %s', async content => {
    await using storage = await openMemory()
    await mkdir(at('to'))
    if (content === 'a database') await (await openLevel({ dataDir: at('to') })).close()
    else if (content === 'a backup') await backupStorage(storage, { to: at('to') })
    else await writeFile(at('to/thesis.txt'), 'mine')
    const before = await readdir(at('to'))
    await expect(backupStorage(storage, { to: at('to') })).rejects.toMatchObject({ code: 'STORAGE_INVALID' })
    expect(await readdir(at('to'))).toEqual(before)
  })

  it('that is aborted, or meets a damaged value, leaves an empty folder', async () => {
    await using storage = await openLevel({ dataDir: at('data') })
    await filled(storage)
    const abort = new AbortController()
    const reason = new Error('enough')
    const onProgress = () => abort.abort(reason)
    const aborted = backupStorage(storage, { to: at('backup'), signal: abort.signal, onProgress })
    await expect(aborted).rejects.toBe(reason)
    const disk = new FaultyDisk()
    const failing = await disk.open()
    await filled(failing, 500)
    disk.fail({ operation: 'read', at: 2 })
    await expect(backupStorage(failing, { to: at('backup') })).rejects.toMatchObject({ code: 'STORAGE_IO' })
    expect(await readdir(at('backup'))).toEqual([])
    await backupStorage(storage, { to: at('backup') })
  })

  it('whose process died in the middle is refused by every opener, and can be deleted', async () => {
    const program = `import { backupStorage, openMemory } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
      const storage = await openMemory()
      for (let n = 0; n < 50; n++) await storage.commit([{ type: 'put', key: Buffer.from('key' + n), value: Buffer.alloc(100_000, n) }])
      await backupStorage(storage, { to: process.argv[1], onProgress: ({ entries }) => entries > 0 && process.kill(process.pid, 'SIGKILL') })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, at('backup')], { stdio: 'inherit' })
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL')
    for (const use of [
      () => openBackup(at('backup')),
      () => openLevel({ dataDir: at('backup') }),
      () => restoreBackup({ from: at('backup'), to: at('restored') }),
    ]) {
      await expect(use()).rejects.toMatchObject({ code: 'STORAGE_FORMAT' })
      await expect(use()).rejects.toThrow(/did not come to its end.*delete it/)
    }
  })

  it('is never written to: as a database it is refused, as a backup it is for reading', async () => {
    await using storage = await openMemory()
    await storage.commit([put('a', '1')])
    await backupStorage(storage, { to: at('backup') })
    await expect(openLevel({ dataDir: at('backup') })).rejects.toThrow(/is a backup.*restore it/)
    const before = Date.now()
    const backup = await openBackup(at('backup'))
    expect([backup.origin, backup.storage.status]).toEqual([storage.databaseId, 'read-only'])
    expect(backup.createdAt).toBeLessThanOrEqual(before)
    for (const write of [() => backup.storage.commit([put('b', '2')]), () => backup.storage.flush()]) {
      await expect(write()).rejects.toMatchObject({ code: 'STORAGE_READ_ONLY' })
    }
    await backup.storage.close()
    expect(await read(at('backup'))).toEqual(['a=1'])
  })
})

describe('a restored database', () => {
  it('has what the backup has, an id of its own, and takes writes', async () => {
    const source = await openLevel({ dataDir: at('data') })
    await source.commit([put('a', '1')])
    await backupStorage(source, { to: at('backup') })
    await source.commit([put('a', 'later')])
    await source.close()
    const ids = new Set([source.databaseId])
    for (const name of ['first', 'second']) {
      const result = await restoreBackup({ from: at('backup'), to: at(name) })
      expect([result.entries, result.origin]).toEqual([1, source.databaseId])
      await using restored = await openLevel({ dataDir: at(name) })
      expect(await list(restored)).toEqual(['a=1'])
      await restored.commit([put('b', '2')])
      ids.add(restored.databaseId)
    }
    expect(ids.size).toBe(3)
    expect(await read(at('backup'))).toEqual(['a=1'])
  })

  it('is made of a whole backup only, and into an empty folder only', async () => {
    await using storage = await openMemory()
    await backupStorage(storage, { to: at('backup') })
    await (await openLevel({ dataDir: at('data') })).close()
    const restore = (from: string, to: string) => restoreBackup({ from: at(from), to: at(to) })
    await expect(restore('backup', 'data')).rejects.toMatchObject({ code: 'STORAGE_INVALID' })
    await expect(restore('data', 'new')).rejects.toThrow(/database, not a backup/)
    await mkdir(at('empty'))
    await expect(restore('empty', 'new')).rejects.toMatchObject({ code: 'STORAGE_FORMAT' })
    await expect(restore('missing', 'new')).rejects.toMatchObject({ code: 'STORAGE_IO' })
    expect((await readdir(root)).sort()).toEqual(['backup', 'data', 'empty'])
  })

  it('is not made of a backup that has lost something: a log, a table, a byte', async () => {
    await using storage = await openMemory()
    await filled(storage)
    await backupStorage(storage, { to: at('backup') })
    const log = (await readdir(at('backup'))).find(name => name.endsWith('.log')) ?? ''
    const whole = await readFile(at(`backup/${log}`))
    for (const damaged of [undefined, whole.subarray(0, whole.length >> 1), Buffer.from(whole).fill(0, 99, 100)]) {
      if (damaged === undefined) await rm(at(`backup/${log}`))
      else await writeFile(at(`backup/${log}`), damaged)
      await expect(restoreBackup({ from: at('backup'), to: at('new') })).rejects.toMatchObject({ code: 'STORAGE_LOSS' })
    }
  })
})

it.each(['from', 'to'])('a folder %s that is no path is refused', async name => {
  await using storage = await openMemory()
  for (const folder of [undefined, '', 7]) {
    const wrong = { from: at('backup'), to: at('new'), [name]: folder } as never
    await expect(restoreBackup(wrong)).rejects.toMatchObject({ code: name === 'to' ? 'STORAGE_IO' : 'STORAGE_INVALID' })
    if (name === 'to') await expect(backupStorage(storage, wrong)).rejects.toMatchObject({ code: 'STORAGE_INVALID' })
  }
})

/** The code with which another process is refused. */
async function openIn(dataDir: string): Promise<string> {
  const program = `import { openLevel } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
    await openLevel({ dataDir: process.argv[1] }).then(() => console.log('opened'), error => console.log(error.code))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output: string[] = []
  child.stdout.on('data', chunk => output.push(String(chunk)))
  await once(child, 'close')
  return output.join('').trim()
}
