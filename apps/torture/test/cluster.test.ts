import { expect, it } from 'vitest'
import { describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { clusterTorture } from '../src/cluster-torture.ts'

describeWithServer(
  'a cluster of three',
  () => {
    it('whose servers are killed in turn, while processes are killed and frozen, shows no anomaly', {
      timeout: 600_000,
    }, async () => {
      const seed = Math.floor(Math.random() * 1e9)
      const { anomalies, records } = await clusterTorture({ seed, rounds: 1 })
      expect(anomalies.slice(0, 10), `seed ${seed}`).toEqual([])
      expect(records).toBeGreaterThan(0)
    })
  },
  '2.12.0',
)
