// The process that is killed, or asked to end: runs the workload on a folder or a cluster and reports each line as it happens.
import { writeSync } from 'node:fs'
import { openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { runWorkload } from './workload.ts'

const [place = '', seed = '', name = '', durability = ''] = process.argv.slice(2)
const log = place.startsWith('nats:')
  ? await connectLog({ url: place })
  : await openLog({ dataDir: place, durability: durability === 'buffered' ? 'buffered' : 'fsync' })
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await runWorkload(log, {
  seed: Number(seed),
  name,
  // Synchronously: what was acknowledged before the kill must have been told. The clock is the same in all processes.
  emit: line => writeSync(1, `${JSON.stringify({ at: Number(process.hrtime.bigint()), ...line })}\n`),
  signal: stop.signal,
})
await log.close()
