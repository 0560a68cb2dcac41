import { expect, it } from 'vitest'
import { describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { clusterTorture } from '../src/cluster-torture.ts'

/**
 * Seen in one run of eight, and not promised of a cluster until it is mended: a member that is shut out and does not know it yet
 * hands over what it could not count, and takes its acknowledgements for durable. `main.js --cluster` tells them.
 */
const open: readonly string[] = ['attempts-regression', 'acknowledgement-lost']

describeWithServer(
  'a cluster of three',
  () => {
    it('whose servers are killed in turn, while processes are killed and frozen, shows no anomaly', {
      timeout: 600_000,
    }, async () => {
      const seed = Math.floor(Math.random() * 1e9)
      const { anomalies, records } = await clusterTorture({ seed, rounds: 1 })
      expect(anomalies.filter(({ name }) => !open.includes(name)).slice(0, 10), `seed ${seed}`).toEqual([])
      expect(records).toBeGreaterThan(0)
    })
  },
  '2.12.0',
)
