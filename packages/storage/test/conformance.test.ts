import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryLevel } from 'memory-level'
import { describe, expect, it } from 'vitest'
import { openAbstract, openLevel, openMemory } from '../src/index.ts'
import { FaultyDisk, storageConformance } from '../src/testing/index.ts'

const runner = { describe, it, expect }

storageConformance(runner, 'LevelDB', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-conformance-'))
  return {
    open: () => openLevel({ dataDir }),
    keeps: true,
    destroy: () => rm(dataDir, { recursive: true, force: true }),
  }
})

storageConformance(runner, 'memory', () => ({ open: openMemory }))

storageConformance(runner, 'any abstract-level database', () => ({
  open: () => openAbstract(new MemoryLevel({ storeEncoding: 'buffer' })),
}))

storageConformance(runner, 'a faulty disk that injects nothing', () => {
  const disk = new FaultyDisk()
  return { open: () => disk.open(), keeps: true, failNextWrite: () => disk.fail() }
})

storageConformance(runner, 'a faulty disk that is slow', () => {
  const disk = new FaultyDisk({ seed: 2 })
  disk.delay(3)
  return { open: () => disk.open(), keeps: true, failNextWrite: () => disk.fail({ outcome: 'stored' }) }
})
