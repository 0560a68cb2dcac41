import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMemory } from '@aegis/storage'
import { FaultyDisk } from '@aegis/storage/testing'
import { describe, expect, it } from 'vitest'
import { openLog } from '../src/index.ts'
import { logConformance } from '../src/testing/index.ts'

const runner = { describe, it, expect }

logConformance(runner, 'memory', async () => {
  let now = 1_000_000
  const storage = await openMemory()
  return {
    open: () => openLog({ storage, now: () => now }),
    keeps: true,
    advance: milliseconds => {
      now += milliseconds
    },
    destroy: () => storage.close(),
  }
})

logConformance(runner, 'a folder', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-conformance-'))
  return {
    open: () => openLog({ dataDir }),
    keeps: true,
    destroy: () => rm(dataDir, { recursive: true, force: true }),
  }
})

logConformance(runner, 'a disk that is slow', async () => {
  const disk = new FaultyDisk({ seed: 2 })
  const storage = await disk.open()
  disk.delay(3)
  return { open: () => openLog({ storage }), keeps: true, destroy: () => storage.close() }
})
