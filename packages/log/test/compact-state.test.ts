import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

async function holds(folder: string, secret: Buffer): Promise<boolean> {
  const files = (await readdir(folder)).filter(file => /\.(log|ldb|sst)$/.test(file))
  const contents = await Promise.all(files.map(file => readFile(join(folder, file))))
  return contents.some(content => content.includes(secret))
}

it('a deleted value of a private key space is in no file any more when its space was compacted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aegis-compact-state-'))
  try {
    const key = Buffer.from('ada')
    const secret = Buffer.from('9f86d081884c7d659a2feaa0c55ad015a3bf4f1b')
    await using log = await openLog({ dataDir: folder })
    await log.transaction(tx => tx.putState('keys', key, secret))
    await log.transaction(tx => tx.putState('keys.other', key, Buffer.from('stays')))
    await log.transaction(tx => tx.deleteState('keys', key))
    expect(await holds(folder, secret)).toBe(true)
    await log.compactState('keys')
    expect(await holds(folder, secret)).toBe(false)
    expect(await log.getState('keys', key)).toBeUndefined()
    expect(Buffer.from((await log.getState('keys.other', key))!).toString()).toBe('stays')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
