// What the log itself costs, beside bare loops over the same data in the same run: `node dist/log-speed.js [part …]`.
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodePayload, type Log, openLog } from '@aegis/log'

interface Outcome {
  readonly name: string
  readonly perSecond: number
}

const message = (n: number) => ({
  id: `order-${n}`,
  customer: 'customer-17',
  amount: n / 100,
  currency: 'EUR',
  lines: 3,
})
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!

async function timed(name: string, count: number, work: () => Promise<void> | void): Promise<Outcome> {
  const rates: number[] = []
  for (let run = 0; run < 3; run++) {
    const start = performance.now()
    await work()
    rates.push((count / (performance.now() - start)) * 1000)
  }
  return { name, perSecond: median(rates) }
}

async function publish(log: Log, topic: string, count: number, inFlight: number): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await log.append(topic, { value: JSON.stringify(message(next++)) })
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

async function json(log: Log): Promise<Outcome[]> {
  const count = 200_000
  await log.createTopic('json')
  let bytes = 0
  const stringify = await timed('JSON.stringify', count, () => {
    for (let n = 0; n < count; n++) bytes += JSON.stringify(message(n)).length
  })
  console.log(`  a message has ${Math.round(bytes / 3 / count)} bytes`)
  const published = await timed('publish, 1,000 in flight, fsync', count, () => publish(log, 'json', count, 1_000))
  const texts = Array.from({ length: count }, (_, n) => JSON.stringify(message(n)))
  const parse = await timed('JSON.parse', count, () => {
    for (const text of texts) JSON.parse(text)
  })
  let records = 0
  const read = await timed('read and decode from storage', count * 3, async () => {
    records = 0
    for (let from = 0; from < (await log.endOffset('json')); ) {
      const page = await log.read('json', 0, { from, maxRecords: 5_000 })
      for (const record of page.records) decodePayload('json', record)
      records += page.records.length
      from = page.nextOffset
    }
  })
  if (records !== count * 3) throw new Error(`${records} records read`)
  return [stringify, published, parse, read]
}

async function binary(log: Log, dataDir: string): Promise<Outcome[]> {
  const batches = 300
  const records = Array.from({ length: 1_000 }, () => ({ value: Buffer.alloc(100, 'x') }))
  await log.createTopic('binary', { partitions: 16 })
  const bytes = Buffer.alloc(100_000, 'x')
  const file = openSync(join(dataDir, 'plain'), 'w')
  const plain = await timed('plain append + fdatasync of 100 kB', batches, () => {
    for (let n = 0; n < batches; n++) {
      writeSync(file, bytes)
      fdatasyncSync(file)
    }
  })
  const appended = await timed('append of 1,000 binary records, fsync, 4 in flight', batches, async () => {
    let next = 0
    const one = async (): Promise<void> => {
      while (next++ < batches) await log.append('binary', records)
    }
    await Promise.all(Array.from({ length: 4 }, one))
  })
  return [plain, appended]
}

async function history(log: Log): Promise<Outcome[]> {
  const keys = 2_000
  await log.createTopic('history', { keyed: 'history' })
  const key = (n: number): Uint8Array => Buffer.from(`stream-${n}`)
  const value = Buffer.alloc(120, 'e')
  const appended = await timed('events appended one by one, 100 writers', keys * 10, async () => {
    let next = 0
    const one = async (): Promise<void> => {
      while (next < keys * 10) await log.append('history', { key: key(next++ % keys), value })
    }
    await Promise.all(Array.from({ length: 100 }, one))
  })
  const fresh = 'ten'
  await log.createTopic(fresh, { keyed: 'history' })
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: keys }, (_, n) => log.append(fresh, { key: key(n), value })))
  }
  let events = 0
  const loaded = await timed('loads of ten events', keys, async () => {
    for (let n = 0; n < keys; n++) events += (await log.history(fresh, key((n * 7919) % keys))).length
  })
  if (events !== keys * 30) throw new Error(`${events} events loaded`)
  return [appended, loaded]
}

const parts = { json, binary, history }
const wanted = process.argv.slice(2)
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-bench-'))
  const log = await openLog({ dataDir: join(dataDir, 'log') })
  console.log(name)
  let previous: Outcome | undefined
  for (const outcome of await part(log, dataDir)) {
    const rate = Math.round(outcome.perSecond).toLocaleString('en')
    const ratio = previous === undefined ? '' : `  × ${(outcome.perSecond / previous.perSecond).toFixed(2)}`
    console.log(`  ${outcome.name.padEnd(52)} ${rate.padStart(12)} /s${ratio}`)
    previous = previous === undefined ? outcome : undefined
  }
  await log.close()
  await rm(dataDir, { recursive: true, force: true })
}
