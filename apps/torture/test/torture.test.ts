import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { torture } from '../src/torture.ts'

it('a log killed at random moments shows no anomaly', { timeout: 300_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-torture-'))
  const seed = Math.floor(Math.random() * 1e9)
  const { anomalies, records } = await torture({ dataDir, seed, kills: 8, maxLines: 1200 })
  expect(anomalies.slice(0, 10), `seed ${seed}, folder ${dataDir}`).toEqual([])
  expect(records).toBeGreaterThan(0)
  // Only now: a folder that shows an anomaly is the evidence.
  await rm(dataDir, { recursive: true })
})
