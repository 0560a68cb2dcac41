import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openLevel } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

it('a commit writes what it is given and nothing of those before, however large they were', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-batch-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const expected = new Map<string, string>()
  {
    await using storage = await openLevel({ dataDir })
    // 6 MB is more than is kept of a batch; a deletion that came again with a later commit would take the key once more.
    for (const size of [10, 6_000_000, 10, 100_000]) {
      const key = `k${expected.size}`
      await storage.commit([
        { type: 'put', key: bytes(key), value: bytes('v'.repeat(size)) },
        { type: 'delete', key: bytes('again') },
      ])
      expected.set(key, 'v'.repeat(size))
      await storage.commit([{ type: 'put', key: bytes('again'), value: bytes(key) }])
      expect(Buffer.from((await storage.get(bytes('again'))) ?? []).toString()).toBe(key)
      await storage.commit([{ type: 'put', key: bytes('other'), value: bytes(key) }])
      expect(Buffer.from((await storage.get(bytes('again'))) ?? []).toString()).toBe(key)
    }
  }
  await using storage = await openLevel({ dataDir })
  for (const [key, value] of expected) {
    expect(Buffer.from((await storage.get(bytes(key))) ?? []).equals(Buffer.from(value))).toBe(true)
  }
})
