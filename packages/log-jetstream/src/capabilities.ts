import type { Capabilities } from '@aegis/log'
import type { Domain } from './domain.ts'

/** What this log can do on the servers that it is connected to; docs/cluster.md says why the rest is refused. */
export const capabilitiesOf = ({ features: { transactions }, replicas, maxPayload }: Domain): Capabilities => ({
  transactions,
  repeats: transactions ? 'log' : 'none',
  staticMembers: true,
  compaction: true,
  truncation: true,
  keyedPartitions: false,
  lag: 'approximate',
  shared: true,
  maxReplicationFactor: replicas,
  maxMessageSize: maxPayload,
})
