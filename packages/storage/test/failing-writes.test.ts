import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openLevel } from '../src/index.ts'

const run = promisify(execFile)
const given = (name: string) => join(import.meta.dirname, 'given', name)
const [EIO, ENOSPC] = ['5', '28']

let root = ''
let unable = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-failing-'))
  if (process.platform !== 'linux') unable = 'preloading a library needs Linux'
  else {
    const compiled = run('gcc', ['-shared', '-fPIC', '-o', join(root, 'shim.so'), given('failing-writes.c'), '-ldl'])
    await compiled.catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      unable = 'compiling the shim needs gcc'
    })
  }
})
afterAll(() => rm(root, { recursive: true, force: true }))

for (const [name, call, at, errno, code] of [
  ['a write of the log that fails', 'write', 7, EIO, 'STORAGE_IO'],
  ['a write of the log on a full disk', 'write', 12, ENOSPC, 'STORAGE_FULL'],
  ['a write of the log that is cut off', 'short', 8, ENOSPC, 'STORAGE_FULL'],
  ['a write of the header of a record that is cut off', 'short', 21, EIO, 'STORAGE_IO'],
  ['a sync of the log that fails', 'sync', 4, EIO, 'STORAGE_IO'],
] as const) {
  it(`${name} fences: nothing acknowledged is lost, nothing is acknowledged after it`, async context => {
    if (unable !== '') return context.skip(unable)
    const dataDir = join(root, `${call}${at}`)
    const env = {
      ...process.env,
      LD_PRELOAD: join(root, 'shim.so'),
      FAIL_CALL: call,
      FAIL_AT: `${at}`,
      FAIL_ERRNO: errno,
    }
    const { stdout } = await run(process.execPath, [given('committing-program.mjs'), dataDir], { env })
    const told = JSON.parse(stdout)
    expect(told).toEqual({
      acknowledged: told.acknowledged,
      failed: code,
      after: 'STORAGE_FENCED',
      read: told.acknowledged,
    })
    expect(told.acknowledged).toBeGreaterThan(0)
    await using storage = await openLevel({ dataDir })
    const found: string[] = []
    for await (const chunk of storage.range()) found.push(...chunk.map(([key]) => Buffer.from(key).toString()))
    // The one that failed may be there, the one after it never.
    const expected = Array.from({ length: told.acknowledged }, (_, n) => `key${n}`)
    expect(found.filter(key => key !== `key${told.acknowledged}`).sort()).toEqual(expected.sort())
    await storage.commit([{ type: 'put', key: Buffer.from('next'), value: Buffer.from('') }])
  })
}
