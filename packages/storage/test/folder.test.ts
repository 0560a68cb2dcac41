import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLevel } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
let dataDir = ''
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'aegis-storage-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

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

  it('that is not there, or empty, is left as it is when it must not become a database', async () => {
    for (const folder of [join(dataDir, 'typo'), dataDir]) {
      const opened = openLevel({ dataDir: folder, createIfMissing: false })
      await expect(opened).rejects.toMatchObject({ code: 'STORAGE_FORMAT' })
      await expect(opened).rejects.toThrow(/no database in/)
    }
    expect(await readdir(dataDir)).toEqual([])
    await (await openLevel({ dataDir })).close()
    await (await openLevel({ dataDir, createIfMissing: false })).close()
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
