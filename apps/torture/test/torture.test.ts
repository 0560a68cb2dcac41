import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { faultTorture } from '../src/fault-torture.ts'
import { PowerCut } from '../src/power-cut.ts'
import { torture } from '../src/torture.ts'

const given = async (): Promise<{ dataDir: string; seed: number }> => ({
  dataDir: await mkdtemp(join(tmpdir(), 'aegis-torture-')),
  seed: Math.floor(Math.random() * 1e9),
})

it('a log killed at random moments shows no anomaly', { timeout: 300_000 }, async () => {
  const { dataDir, seed } = await given()
  const { anomalies, records } = await torture({ dataDir, seed, kills: 8, maxLines: 1200 })
  expect(anomalies.slice(0, 10), `seed ${seed}, folder ${dataDir}`).toEqual([])
  expect(records).toBeGreaterThan(0)
  // Only now: a folder that shows an anomaly is the evidence.
  await rm(dataDir, { recursive: true })
})

for (const durability of ['fsync', 'buffered'] as const) {
  const promise = durability === 'fsync' ? 'nothing acknowledged' : 'the newest only, and no half of a transaction,'
  it(`a power cut takes ${promise} of a log with durability ${durability}`, { timeout: 300_000 }, async context => {
    const powerCut = await PowerCut.prepare()
    if (powerCut === undefined) return context.skip('cutting the power needs Linux and gcc')
    try {
      const { dataDir, seed } = await given()
      const result = await torture({ dataDir, seed, kills: 5, maxLines: 1200, durability, powerCut })
      expect(result.anomalies.slice(0, 10), `seed ${seed}, folder ${dataDir}`).toEqual([])
      expect(result.bytesCut).toBeGreaterThan(0)
      await rm(dataDir, { recursive: true })
    } finally {
      await powerCut.remove()
    }
  })
}

it('a log whose Nth write fails, for N = 1, 2, 3 …, shows no anomaly', { timeout: 300_000 }, async () => {
  const seed = Math.floor(Math.random() * 1e9)
  const { anomalies, records } = await faultTorture({ seed, rounds: 30 })
  expect(anomalies.slice(0, 10), `seed ${seed}`).toEqual([])
  expect(records).toBeGreaterThan(0)
})

it('a disk that keeps half of a commit is found out', { timeout: 300_000 }, async () => {
  const results = await Promise.all([1, 2, 3].map(seed => faultTorture({ seed, rounds: 20, outcome: 'torn' })))
  expect(results.map(({ anomalies }) => anomalies.length > 0)).toEqual([true, true, true])
})
