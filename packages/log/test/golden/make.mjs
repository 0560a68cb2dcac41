// Makes the golden database of the present format, once, when the format is new:
//   node packages/log/test/golden/make.mjs packages/log/test/golden/format-1
// What is in it is what ../golden.test.ts expects: part in tables, part in the storage's log.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLog } from '../../dist/index.js'

const dataDir = process.argv[2] ?? ''
let time = 1_700_000_000_000
const open = () => openLog({ dataDir, now: () => time })
/** @param {string} text */
const bytes = text => Buffer.from(text)

const first = await open()
await first.createTopic('plain', { partitions: 2, maxMessageSize: '2MB' })
await first.createTopic('latest', { keyed: 'latest', cleanup: 'compact' })
await first.createTopic('history', { keyed: 'history' })
await first.createTopic('gone')
for (let batch = 0; batch < 4; batch++) {
  time++
  const records = Array.from({ length: 5 }, (_, n) => ({
    key: n === 0 ? null : `key ${n}`,
    value: n === 1 ? null : `value ${batch}.${n}`,
    headers:
      n === 2
        ? [
            { key: 'text', value: bytes('заголовок') },
            { key: 'text', value: null },
          ]
        : [],
    partition: n % 2,
  }))
  await first.append('plain', records)
}
await first.append('plain', [{ key: '', value: '', timestamp: 5, partition: 0 }])
for (let n = 0; n < 30; n++) {
  await first.append('latest', { key: `row ${n % 3}`, value: n === 29 ? null : `row value ${n} ${'x'.repeat(1000)}` })
}
await first.runMaintenance()
for (let n = 0; n < 60; n++) await first.append('history', { key: 'long', value: `event ${n} ${'y'.repeat(2500)}` })
await first.append('gone', { value: 'gone' })
await first.deleteTopic('gone')
await first.runMaintenance()
await first.truncateHistory('history', bytes('long'), 5)
await first.close()

const second = await open()
time += 1000
await second.append('history', [
  { key: 'short', value: 'one' },
  { key: 'short', value: 'two' },
])
await second.append('history', { key: 'long', value: 'the newest' })
await second.append('latest', { key: 'row 3', value: 'not compacted' })
const producer = { id: 'producer', epoch: 2 }
await second.append('plain', { value: 'once', partition: 1 }, { producer: { ...producer, sequence: 0 } })
await second.append('plain', { value: 'twice', partition: 1 }, { producer: { ...producer, sequence: 1 } })
await second.commitPosition({ groupId: 'group', topic: 'plain', partition: 0, offset: 7, metadata: 'метка' })
await second.transaction(tx => {
  tx.append('plain', { value: 'in a transaction', partition: 0 })
  tx.commitPosition({ groupId: 'group', topic: 'plain', partition: 1, offset: 3 })
  tx.putState('space', bytes('key'), bytes('value'))
  tx.putState('space', bytes('empty'), bytes(''))
  tx.putState('space', bytes('deleted'), bytes('value'))
})
await second.transaction(tx => tx.deleteState('space', bytes('deleted')))
await second.close()
for (const name of ['LOCK', 'LOG', 'LOG.old']) await rm(join(dataDir, name), { force: true })
