// The process that is killed: runs the workload on a folder and reports each line as it happens.
import { writeSync } from 'node:fs'
import { openLog } from '@aegis/log'
import { runWorkload } from './workload.ts'

const [dataDir = '', seed = '', name = '', durability = ''] = process.argv.slice(2)
const log = await openLog({ dataDir, durability: durability === 'buffered' ? 'buffered' : 'fsync' })
await runWorkload(log, {
  seed: Number(seed),
  name,
  // Synchronously: what was acknowledged before the kill must have been told.
  emit: line => writeSync(1, `${JSON.stringify(line)}\n`),
  signal: new AbortController().signal,
})
