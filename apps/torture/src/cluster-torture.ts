import { connectLog } from '@aegis/log-jetstream'
import { NatsCluster } from '@aegis/nats-server'
import { checkHistory } from './check-history.ts'
import { drain } from './drain.ts'
import { readFinalState } from './final-state.ts'
import type { Anomaly } from './history.ts'
import { breakNetwork, mendNetwork } from './network-faults.ts'
import { Random } from './random.ts'
import { groups } from './topics.ts'
import { Workloads } from './workloads.ts'

export interface ClusterTortureOptions {
  readonly seed: number
  /** How often each of the three servers is killed, and its network broken twice. */
  readonly rounds: number
  /** Lines of the workloads between two blows. Default 300. */
  readonly lines?: number
  /** Called after each blow. */
  readonly onBlow?: (what: string) => void
}

export interface ClusterTortureResult {
  readonly seed: number
  readonly blows: number
  readonly operations: number
  readonly acknowledged: number
  readonly records: number
  readonly anomalies: readonly Anomaly[]
}

/** The network is broken for so long at most: workloads may be able to do nothing meanwhile. */
const longestFault = 8_000

/**
 * Three servers with everything threefold, and two processes that work on it: each server is killed with SIGKILL in turn
 * and started again, the leader among them; the network between it, the clients and the others is delayed, dropped, cut,
 * half-closed and silenced; processes are killed and replaced, or stopped for longer than their session and then go on.
 * When they are asked to they end by themselves, nothing they wait for is left open, and what all of them were told is checked
 * against what is there.
 * @throws Error when something that should have come did not come in time, which it names
 */
export async function clusterTorture(options: ClusterTortureOptions): Promise<ClusterTortureResult> {
  const { seed, rounds, lines = 300, onBlow } = options
  const random = new Random(seed)
  await using cluster = await NatsCluster.start(3, { network: true })
  const url = cluster.urls.join(',')
  // The stream is made before the first process needs it, with all its copies.
  await (await connectLog({ url, replicas: 3 })).close()
  const workloads = new Workloads(url, random)
  let blows = 0
  try {
    workloads.start()
    workloads.start()
    for (let round = 0; round < rounds; round++) {
      for (const [at, server] of cluster.servers.entries()) {
        await workloads.said(lines)
        await server.kill()
        await workloads.said(lines)
        await server.restart()
        onBlow?.(`server ${++blows}`)
        await workloads.said(lines)
        if (random.below(2) === 0) await workloads.replace()
        else await workloads.freeze()
        onBlow?.(`process ${++blows}`)
        for (const _ of [1, 2]) {
          await workloads.said(lines)
          const fault = breakNetwork(cluster.network, at, random)
          onBlow?.(`network ${++blows}: server ${at + 1}, ${fault}`)
          await workloads.said(lines, longestFault)
          mendNetwork(cluster.network, at)
        }
      }
    }
    await workloads.said(lines)
    await workloads.end()
  } finally {
    await workloads.kill()
  }
  await using log = await connectLog({ url })
  const undelivered = await drain(log, line => workloads.told('final', line))
  const final = await readFinalState(log, undelivered.length > 0 ? [] : groups)
  const operations = workloads.operations()
  const anomalies = [...undelivered, ...checkHistory({ operations, final })]
  const records = [...final.records.values()].reduce((sum, list) => sum + list.length, 0)
  const acknowledged = operations.filter(({ outcome }) => outcome === 'ok').length
  return { seed, blows, operations: operations.length, acknowledged, records, anomalies }
}
