import { randomBytes } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { smallDisk } from '../../../tooling/test/small-disk.mjs'
import { backupStorage, openLevel, openMemory, type Storage } from '../src/index.ts'
import { FaultyDisk } from '../src/testing/index.ts'

const key = (n: number) => Buffer.from(`key${String(n).padStart(6, '0')}`)
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
const keys = async (storage: Storage): Promise<number> => {
  let count = 0
  for await (const chunk of storage.range()) count += chunk.length
  return count
}

/** Commits until one is refused; how many were acknowledged, and the code. */
async function fill(storage: Storage, from = 0): Promise<{ acknowledged: number; refused: string }> {
  for (let n = from; ; n++) {
    const refused = await code(storage.commit([{ type: 'put', key: key(n), value: randomBytes(100_000) }]))
    if (refused !== 'done') return { acknowledged: n, refused }
  }
}

async function promises(storage: Storage, reopen: () => Promise<Storage>, free: () => Promise<void>): Promise<void> {
  const { acknowledged, refused } = await fill(storage)
  expect(refused).toBe('STORAGE_FULL')
  // Later writes are refused too, and say why.
  const next = storage.commit([{ type: 'put', key: key(0), value: key(0) }])
  await expect(next).rejects.toMatchObject({ code: 'STORAGE_FENCED' })
  await expect(next).rejects.toThrow(/no space left/i)
  // Reads go on.
  expect(await keys(storage)).toBe(acknowledged)
  for (let n = 0; n < acknowledged; n++) expect((await storage.get(key(n)))?.length).toBe(100_000)
  await storage.close()
  await free()
  await using again = await reopen()
  // The refused one may be there: nobody was told that it is not.
  const found = await keys(again)
  expect([acknowledged, acknowledged + 1]).toContain(found)
  await again.commit([{ type: 'put', key: key(found), value: key(found) }])
  expect(await keys(again)).toBe(found + 1)
}

it('a disk that is full takes nothing acknowledged; reads go on, and writing after space was freed and it was opened again', async context => {
  const disk = await smallDisk('24m')
  if (typeof disk === 'string') return context.skip(disk)
  try {
    const dataDir = join(disk.path, 'data')
    const ballast = join(disk.path, 'ballast')
    await writeFile(ballast, Buffer.alloc(14 << 20))
    await promises(
      await openLevel({ dataDir }),
      () => openLevel({ dataDir }),
      async () => {
        // Opening while it is full may need space that is not there; it must not make anything worse.
        const storage = await openLevel({ dataDir }).catch((error: { code: string }) => error.code)
        if (typeof storage === 'string') expect(storage).toBe('STORAGE_FULL')
        else await storage.close()
        await rm(ballast)
      },
    )
  } finally {
    await disk.remove()
  }
})

it('a new database on a full disk is refused, and made when there is space', async context => {
  const disk = await smallDisk('64k')
  if (typeof disk === 'string') return context.skip(disk)
  try {
    const dataDir = join(disk.path, 'data')
    const ballast = join(disk.path, 'ballast')
    await writeFile(ballast, Buffer.alloc(64 << 10)).catch(() => undefined)
    expect(await code(openLevel({ dataDir }))).toBe('STORAGE_FULL')
    await rm(ballast)
    await using storage = await openLevel({ dataDir })
    await storage.commit([{ type: 'put', key: key(0), value: key(0) }])
  } finally {
    await disk.remove()
  }
})

it('a backup for which there is no space fails and gives back what it took', async context => {
  const disk = await smallDisk('8m')
  if (typeof disk === 'string') return context.skip(disk)
  try {
    await using storage = await openMemory()
    for (let n = 0; n < 100; n++) {
      await storage.commit([{ type: 'put', key: key(n), value: randomBytes(100_000) }])
    }
    const to = join(disk.path, 'backup')
    expect(await code(backupStorage(storage, { to }))).toBe('STORAGE_FULL')
    expect(await readdir(to)).toEqual([])
  } finally {
    await disk.remove()
  }
})

it.each(['refused', 'stored'] as const)('the same on a disk that says so, when the write was %s', async outcome => {
  const disk = new FaultyDisk()
  const storage = await disk.open()
  disk.fail({ at: 20, repeat: true, outcome, error: 'ENOSPC' })
  await promises(
    storage,
    () => disk.open(),
    async () => disk.heal(),
  )
})
