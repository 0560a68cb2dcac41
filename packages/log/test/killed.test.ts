import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../tooling/test/until-killed.ts'
import { type Log, openLog } from '../src/index.ts'

async function everything(log: Log, topic: string, partition = 0): Promise<string[]> {
  const { records } = await log.read(topic, partition, { from: 0, maxRecords: 100_000 })
  return records.map(({ value }) => Buffer.from(value!).toString())
}

const door = JSON.stringify(join(import.meta.dirname, '../dist/index.js'))

it('a kill in the middle of publishing loses nothing acknowledged and tears no transaction', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-log-'))
  const program = `import { openLog } from ${door}
    const log = await openLog({ dataDir: process.argv[1] })
    await log.createTopic('a'); await log.createTopic('b')
    for (let n = await log.endOffset('a'); ; n++) {
      await log.transaction(tx => { tx.append('a', { value: Buffer.from(String(n)) }); tx.append('b', { value: Buffer.from(String(n)) }) })
      console.log(n)
    }`
  let acknowledged = -1
  for (const after of [1, 20, 55]) {
    const lines = await linesUntilKilled(import.meta.dirname, program, [dataDir], after)
    acknowledged = Math.max(acknowledged, ...lines.map(Number))
  }
  const log = await openLog({ dataDir })
  const a = await everything(log, 'a')
  expect(a).toEqual(Array.from({ length: a.length }, (_, n) => `${n}`))
  expect(await everything(log, 'b')).toEqual(a)
  expect(a.length).toBeGreaterThan(acknowledged)
  await log.close()
  await rm(dataDir, { recursive: true, force: true })
})

it('an append over several partitions that is repeated after a kill is where it was, and there once', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-log-'))
  const program = `import { openLog } from ${door}
    const log = await openLog({ dataDir: process.argv[1] })
    await log.createTopic('t', { partitions: 3 })
    for (let n = Number(process.argv[2]); ; n++) {
      const records = [0, 1, 2, 3, 4, 5].map(k => ({ key: 'key ' + k, value: n + '.' + k }))
      const { positions } = await log.append('t', records, { producer: { id: 'p', sequence: 6 * n } })
      console.log(JSON.stringify([n, positions]))
    }`
  const first = new Map<number, unknown>()
  for (const after of [1, 2, 9, 30, 4]) {
    // The last that were acknowledged once more, and the one whose outcome is not known.
    const from = Math.max(0, first.size - 4)
    for (const line of await linesUntilKilled(import.meta.dirname, program, [dataDir, String(from)], after)) {
      const [n, positions] = JSON.parse(line)
      if (first.has(n)) expect(positions).toEqual(first.get(n))
      else first.set(n, positions)
    }
  }
  const log = await openLog({ dataDir })
  const found = (await Promise.all([0, 1, 2].map(partition => everything(log, 't', partition)))).flat()
  expect(new Set(found).size).toBe(found.length)
  expect(found.length % 6).toBe(0)
  expect(found.length).toBeGreaterThanOrEqual(6 * first.size)
  await log.close()
  await rm(dataDir, { recursive: true, force: true })
})
