import { MemoryLevel } from 'memory-level'
import { expect, it } from 'vitest'
import { openAbstract, openMemory } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const raw = { keyEncoding: 'view', valueEncoding: 'view' } as const

it('a value of which any byte was changed under the storage is never given out, nor that of another key', async () => {
  const db = new MemoryLevel<Uint8Array, Uint8Array>({ storeEncoding: 'view', ...raw })
  const storage = await openAbstract(db)
  const keys = ['a', 'b'].map(bytes)
  await storage.commit(keys.map(key => ({ type: 'put', key, value: bytes('the same value') })))
  const stored: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const entry of db.iterator(raw)) {
    if (Buffer.from(entry[1]).includes('the same value')) stored.push(entry)
  }
  expect(stored).toHaveLength(2)
  const [[keyA, valueA], [, valueB]] = stored as [(typeof stored)[0], (typeof stored)[0]]
  const damaged = Array.from(valueA, (byte, at) => Uint8Array.from(valueA).fill(byte ^ 1, at, at + 1))
  for (const value of [...damaged, valueB, valueA.subarray(0, 3), new Uint8Array()]) {
    await db.put(keyA, value, raw)
    for (const read of [
      async () => storage.get(keys[0]!),
      async () => storage.getMany(keys),
      async () => storage.getSync(keys[0]!),
      async () => {
        for await (const _ of storage.range());
      },
    ]) {
      await expect(read()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
    }
  }
  await db.put(keyA, valueA, raw)
  expect(Buffer.from((await storage.get(keys[0]!)) ?? []).toString()).toBe('the same value')
  await storage.close()
})

it('a value that is given gets its checksum behind it, and only there', async () => {
  const storage = await openMemory()
  const memory = Buffer.from('before the value behind')
  const value = memory.subarray(7, 16)
  await storage.commit([{ type: 'put', key: bytes('k'), value, given: true }])
  expect(Buffer.from((await storage.get(bytes('k'))) ?? []).toString()).toBe('the value')
  expect(memory.subarray(0, 16).toString()).toBe('before the value')
  expect(memory.subarray(20).toString()).toBe('ind')
  const without = new Uint8Array(8).subarray(5)
  await expect(storage.commit([{ type: 'put', key: bytes('k'), value: without, given: true }])).rejects.toMatchObject({
    code: 'STORAGE_INVALID',
  })
  await storage.close()
})
