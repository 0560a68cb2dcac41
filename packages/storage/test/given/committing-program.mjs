// Commits until a commit fails, and tells what it saw; some more if there is no failure.
import { openLevel } from '../../dist/index.js'

const [dataDir = ''] = process.argv.slice(2)
const storage = await openLevel({ dataDir })
/** @param {number} n @returns {Promise<string>} */
const attempt = n => {
  const type = /** @type {const} */ ('put')
  const operations = [{ type, key: Buffer.from(`key${n}`), value: Buffer.alloc(20_000, n) }]
  return storage.commit(operations).then(
    () => 'done',
    error => error.code,
  )
}
let acknowledged = 0
let failed = 'done'
while (acknowledged < 30 && (failed = await attempt(acknowledged)) === 'done') acknowledged++
const after = failed === 'done' ? failed : await attempt(acknowledged + 1)
let read = 0
for await (const chunk of storage.range()) read += chunk.length
await storage.close()
console.log(JSON.stringify({ acknowledged, failed, after, read }))
