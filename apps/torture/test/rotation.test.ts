import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openLevel } from '@aegis/storage'
import { expect, it } from 'vitest'
import { PowerCut } from '../src/power-cut.ts'

const program = join(import.meta.dirname, 'given', 'rotating-program.mjs')

it('a power cut after LevelDB has begun a new log takes nothing of the old one, although nothing was flushed', async context => {
  const powerCut = await PowerCut.prepare()
  if (powerCut === undefined) return context.skip('cutting the power needs Linux and gcc')
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-rotation-'))
  try {
    await powerCut.begin(dataDir)
    const env = { ...process.env, ...powerCut.environment }
    const killed = await promisify(execFile)(process.execPath, [program, dataDir], { env }).catch(error => error)
    expect(killed.signal).toBe('SIGKILL')
    const acknowledged = String(killed.stdout).trim().split('\n').length
    expect(acknowledged).toBeGreaterThan(60)
    await powerCut.cut(dataDir)
    await using storage = await openLevel({ dataDir })
    const found: number[] = []
    for await (const chunk of storage.range()) {
      for (const [key] of chunk) found.push(Number(Buffer.from(key).toString().slice(3)))
    }
    // The last two are in the new log; the write that began it may have been synced with the old one or not.
    expect(found).toEqual(Array.from({ length: found.length }, (_, n) => n))
    expect(found.length).toBeGreaterThanOrEqual(acknowledged - 2)
  } finally {
    await powerCut.remove()
    await rm(dataDir, { recursive: true, force: true })
  }
})
