import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openLevel, type Storage } from '../src/index.ts'

let dataDir = ''
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'aegis-buffered-'))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(dataDir, { recursive: true, force: true })
})

const commit = (storage: Storage, n: number) =>
  storage.commit([{ type: 'put', key: Buffer.from(`${n}`), value: Buffer.from('') }], { durability: 'buffered' })

/** Number of the newest commit that is noted as being on the disk. */
async function durable(): Promise<number> {
  const counts = await readFile(join(dataDir, 'aegis.commits'))
  return Number(counts.subarray(0, 8).readBigUInt64LE()) > Number(counts.subarray(32, 40).readBigUInt64LE())
    ? Number(counts.readBigUInt64LE(0))
    : Number(counts.readBigUInt64LE(32))
}
async function becomesDurable(counter: number): Promise<void> {
  while ((await durable()) < counter) await new Promise<void>(resolve => setImmediate(resolve))
}

it('a buffered commit is synced a second later, without another commit, and the next one a second after that', async () => {
  await using storage = await openLevel({ dataDir })
  await commit(storage, 1)
  await commit(storage, 2)
  vi.advanceTimersByTime(999)
  expect(await durable()).toBe(0)
  vi.advanceTimersByTime(1)
  await becomesDurable(2)
  await commit(storage, 3)
  expect(await durable()).toBe(2)
  vi.advanceTimersByTime(1_000)
  await becomesDurable(3)
})

it('commits go on while the sync runs, and those behind it are synced by the next', async () => {
  await using storage = await openLevel({ dataDir })
  await commit(storage, 1)
  vi.advanceTimersByTime(1_000)
  const during = Array.from({ length: 20 }, (_, n) => commit(storage, 2 + n))
  await Promise.all(during)
  await becomesDurable(1)
  const counter = (await durable()) + 1
  await commit(storage, 100)
  vi.advanceTimersByTime(1_000)
  await becomesDurable(counter)
})

it('a close waits for the flush that was called before it', async () => {
  for (let n = 0; n < 10; n++) {
    const storage = await openLevel({ dataDir })
    await commit(storage, n)
    const flushed = storage.flush()
    await Promise.all([storage.close(), flushed])
    expect(await durable()).toBe(n + 1)
  }
})

it('flush and close sync at once what waits for it', async () => {
  const storage = await openLevel({ dataDir })
  await commit(storage, 1)
  await storage.flush()
  expect(await durable()).toBe(1)
  await commit(storage, 2)
  await storage.close()
  expect(await durable()).toBe(2)
})

it('a synced commit makes the buffered ones before it durable', async () => {
  await using storage = await openLevel({ dataDir })
  await commit(storage, 1)
  await storage.commit([], { durability: 'fsync' })
  expect(await durable()).toBe(2)
})
