import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'

const program = join(import.meta.dirname, '../dist/main.js')
const run = promisify(execFile)

it('the program prints results to standard output, errors to standard error, and exits with the code', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-program-'))
  try {
    const log = await openLog({ dataDir })
    await log.createTopic('orders')
    await log.close()
    const { stdout, stderr } = await run(process.execPath, [program, 'topics', dataDir, '--json'])
    expect([JSON.parse(stdout)[0].name, stderr]).toEqual(['orders', ''])
    await expect(run(process.execPath, [program, 'topics'])).rejects.toMatchObject({ code: 2, stdout: '' })
  } finally {
    await rm(dataDir, { recursive: true })
  }
})
