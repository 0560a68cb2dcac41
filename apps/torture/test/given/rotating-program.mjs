// Commits without sync until LevelDB has begun a new log, then one commit more, and dies: the old log is not in a table yet.
import { randomBytes } from 'node:crypto'
import { readdirSync, writeSync } from 'node:fs'
import { openLevel } from '@aegis/storage'

const [dataDir = ''] = process.argv.slice(2)
const storage = await openLevel({ dataDir })
const newestLog = () =>
  readdirSync(dataDir)
    .filter(name => name.endsWith('.log'))
    .sort()
    .at(-1)
const first = newestLog()
for (let n = 0, left = 2; left > 0; n++) {
  const key = Buffer.from(`key${String(n).padStart(6, '0')}`)
  await storage.commit([{ type: 'put', key, value: randomBytes(1 << 20) }], { durability: 'buffered' })
  if (newestLog() !== first) left--
  writeSync(1, `${n}\n`)
}
process.kill(process.pid, 'SIGKILL')
