import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openLevel } from '../src/index.ts'

const golden = join(import.meta.dirname, 'golden')
const formats = (await readdir(golden)).filter(name => name.startsWith('format-'))

it('there is a golden database of each format', () => {
  expect(formats).toEqual(['format-1'])
})

describe.each(formats)('the golden database of %s', format => {
  it('is opened by this version, has what was written to it, and takes writes', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'aegis-golden-'))
    try {
      await cp(join(golden, format), dataDir, { recursive: true })
      const found = new Map<string, string>()
      const storage = await openLevel({ dataDir })
      for await (const chunk of storage.range()) {
        for (const [key, value] of chunk) found.set(Buffer.from(key).toString('latin1'), Buffer.from(value).toString())
      }
      const rows = Array.from({ length: 200 }, (_, n) => [
        `row-${String(n).padStart(3, '0')}`,
        n === 7 ? 'second 7' : `first ${n}`,
      ])
      const unusual = [
        ['empty', ''],
        ['\u0000\u00ff\u0000', '\u0000\u0001\u0002'],
        [Buffer.from('ключ').toString('latin1'), 'значение'],
        ['large', Buffer.alloc(40_000, 'large ').toString()],
      ]
      expect([...found].sort()).toEqual([...rows, ...unusual].sort())
      expect(storage.databaseId).toMatch(/^[0-9a-f-]{36}$/)
      expect((await storage.verify()).damage).toEqual([])
      await storage.commit([{ type: 'put', key: Buffer.from('new'), value: Buffer.from('') }])
      await storage.close()
      await using again = await openLevel({ dataDir })
      expect([again.databaseId, await again.get(Buffer.from('new'))]).toEqual([storage.databaseId, Buffer.from('')])
    } finally {
      await rm(dataDir, { recursive: true })
    }
  })
})
