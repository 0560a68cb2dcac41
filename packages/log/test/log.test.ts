import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeRecordBatch,
  encodeRecordBatch,
  type Log,
  type LogRecord,
  openLog,
  partitionForKey,
  type Transaction,
} from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | null | undefined): string => Buffer.from(value ?? bytes('(none)')).toString()
const values = (records: readonly LogRecord[]): string[] => records.map(record => text(record.value))
const everything = async (log: Log, topic: string, partition = 0): Promise<string[]> =>
  values((await log.read(topic, partition, { from: 0, maxRecords: 100_000 })).records)

describe('a topic', () => {
  it('gives records back in order, with offsets that rise over all partitions together', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 3 })
    const receipts = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        log.append('t', { key: bytes(`k${i % 5}`), value: bytes(`${i}`), headers: [{ key: 'h', value: null }] }),
      ),
    )
    expect(receipts.map(receipt => receipt.positions[0]!.offset)).toEqual(Array.from({ length: 30 }, (_, i) => i))
    for (let partition = 0; partition < 3; partition++) {
      const found = (await everything(log, 't', partition)).map(Number)
      const expected = receipts.flatMap((receipt, i) => (receipt.positions[0]!.partition === partition ? [i] : []))
      expect(found).toEqual(expected)
    }
  })

  it('reads on page by page without gap or repeat, whatever the page size', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    for (let i = 0; i < 40; i++) await log.append('t', [{ value: bytes(`${i}a`) }, { value: bytes(`${i}b`) }])
    for (const maxRecords of [1, 3, 7, 100]) {
      const found: string[] = []
      for (let from = 0; from < (await log.endOffset('t')); ) {
        const page = await log.read('t', 0, { from, maxRecords })
        found.push(...values(page.records))
        expect(page.nextOffset).toBeGreaterThan(from)
        from = page.nextOffset
      }
      expect(found).toEqual(await everything(log, 't'))
      expect(found).toHaveLength(80)
    }
  })

  it('can be created twice with the same settings, and says what differs otherwise', async () => {
    await using log = await openLog({ memory: true })
    const [first, second] = await Promise.all([
      log.createTopic('t', { retention: '7d' }),
      log.createTopic('t', { retention: '7d' }),
    ])
    expect(second.incarnation).toBe(first.incarnation)
    await expect(log.createTopic('t', { retention: '8d' })).rejects.toThrow(
      /TOPIC|retention is 604800000, asked for 691200000/,
    )
  })

  it('refuses bad names, options, partitions and sizes, and stores nothing of them', async () => {
    await using log = await openLog({ memory: true })
    for (const name of ['', '..', 'a/b', 'a\0', 'é', 'x'.repeat(250)]) {
      await expect(log.createTopic(name)).rejects.toMatchObject({ code: 'LOG_INVALID' })
    }
    await expect(log.createTopic('t', { partitions: 0 })).rejects.toThrow(/partitions is 0/)
    await expect(log.createTopic('t', { retention: '7 weeks' })).rejects.toThrow(/retention/)
    await log.createTopic('t', { maxMessageSize: 10 })
    await expect(log.append('t', { value: bytes('12345678901') })).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await expect(log.append('t', { value: bytes('1'), partition: 1 })).rejects.toMatchObject({
      code: 'PARTITION_UNKNOWN',
    })
    await expect(log.append('constructor', { value: null })).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect(await everything(log, 't')).toEqual([])
  })

  it('forgets by append time what retention no longer keeps, and finds offsets by time', async () => {
    let now = 1_000
    await using log = await openLog({ memory: true, now: () => now })
    await log.createTopic('t', { retention: 100 })
    for (let i = 0; i < 5; i++, now += 50) await log.append('t', { value: bytes(`${i}`), timestamp: 7 })
    expect(await log.offsetForTime('t', 0, 1_075)).toBe(2)
    expect(await log.offsetForTime('t', 0, 9_999)).toBe(5)
    await log.runMaintenance()
    expect(await everything(log, 't')).toEqual(['3', '4'])
  })

  it('deleted and created again has none of the old records, positions or keys', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { keyed: 'latest' })
    await log.append('t', { key: bytes('k'), value: bytes('v') })
    await log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 1 })
    await log.deleteTopic('t')
    await log.createTopic('t', { keyed: 'latest' })
    expect([await everything(log, 't'), await log.get('t', bytes('k')), await log.committed('g', 't', 0)]).toEqual([
      [],
      undefined,
      undefined,
    ])
  })
})

describe('a follower', () => {
  it('goes from what is stored to what is appended, without gap or repeat, and ends when closed', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 2 })
    await log.append(
      't',
      [0, 1].map(partition => ({ value: bytes(`old${partition}`), partition })),
    )
    const follower = log.follow('t', {
      positions: new Map([
        [0, 0],
        [1, 0],
      ]),
    })
    const seen: string[] = []
    const running = (async () => {
      for (let page; (page = await follower.next()) !== undefined; ) {
        seen.push(...values(page.records))
        if (seen.length === 22) follower.close()
      }
    })()
    for (let i = 0; i < 20; i++) await log.append('t', { value: bytes(`${i}`), partition: i % 2 })
    await running
    expect(seen.toSorted()).toEqual(['old0', 'old1', ...Array.from({ length: 20 }, (_, i) => `${i}`)].toSorted())
  })

  it('waiting at the end is let go by close', async () => {
    const log = await openLog({ memory: true })
    await log.createTopic('t')
    const next = log.follow('t', { positions: new Map([[0, 0]]) }).next()
    await log.close()
    expect(await next).toBeUndefined()
  })
})

describe('keyed topics', () => {
  it('latest: keeps the last record of a key, and no key sees another, whatever its bytes', async () => {
    const key = fc
      .uint8Array({ maxLength: 3, minLength: 1 })
      .map(array => array.map(byte => (byte % 3 === 2 ? 255 : byte % 3)))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 30 }), async writes => {
        await using log = await openLog({ memory: true })
        await log.createTopic('t', { keyed: 'latest' })
        const model = new Map<string, string>()
        for (const [at, [key, deletes]] of writes.entries()) {
          await log.append('t', { key, value: deletes ? null : bytes(`${at}`) })
          if (deletes) model.delete(Buffer.from(key).toString('hex'))
          else model.set(Buffer.from(key).toString('hex'), `${at}`)
        }
        const found: [string, string][] = []
        for await (const record of log.scan('t'))
          found.push([Buffer.from(record.key!).toString('hex'), text(record.value)])
        expect(found).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)))
      }),
      { numRuns: 50 },
    )
  })

  it('history: what reads the feed gets the version of each record too, and the headers as they were appended', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { keyed: 'history' })
    const headers = [{ key: 'h', value: bytes('1') }]
    await log.append('t', [
      { key: bytes('a'), value: bytes('1'), headers },
      { key: bytes('b'), value: bytes('2') },
      { key: bytes('a'), value: bytes('3') },
    ])
    const { records } = await log.read('t', 0, { from: 0 })
    expect(records.map(({ version, headers }) => [version, headers.length])).toEqual([
      [0, 1],
      [0, 0],
      [1, 0],
    ])
    expect(records[0]!.headers[0]!.key).toBe('h')
  })

  it('history: numbers the records of a key from 0, and of many appends that expect the same version one wins', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { keyed: 'history' })
    const key = bytes('account')
    await log.append(
      't',
      [
        { key, value: bytes('a') },
        { key, value: bytes('b') },
      ],
      { expected: 'no-stream' },
    )
    const rivals = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => log.append('t', { key, value: bytes(`r${i}`) }, { expected: 1 })),
    )
    expect(rivals.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const lost = rivals.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    expect(lost.reason).toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 1, actual: 2 } })
    expect((await log.history('t', key)).map(record => `${record.version}${text(record.value)}`)).toEqual([
      '0a',
      '1b',
      '2r0',
    ])
    expect(values(await log.history('t', key, { from: 1, limit: 1 }))).toEqual(['b'])
    expect(await log.history('t', bytes('accoun'))).toEqual([])
  })
})

describe('a transaction', () => {
  it('shows everything or nothing, and reads its own writes', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('a')
    await log.createTopic('rows', { keyed: 'latest' })
    const work = log.transaction(async tx => {
      tx.append('a', { value: bytes('1') })
      tx.append('rows', { key: bytes('k'), value: bytes('mine') })
      tx.putState('s', bytes('x'), bytes('y'))
      expect(text((await tx.get('rows', bytes('k')))?.value)).toBe('mine')
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect([
      await everything(log, 'a'),
      await log.get('rows', bytes('k')),
      await log.getState('s', bytes('x')),
    ]).toEqual([[], undefined, undefined])
    const receipt = await log.transaction(tx => {
      tx.putState('s', bytes('x'), bytes('y'))
      tx.commitPosition({ groupId: 'g', topic: 'a', partition: 0, offset: 9 })
      const appended = tx.append('a', { value: bytes('2') })
      expect(() => appended.positions).toThrow(/after the commit/)
      return appended
    })
    expect(await everything(log, 'a')).toEqual(['2'])
    expect([text(await log.getState('s', bytes('x'))), (await log.committed('g', 'a', 0))?.offset]).toEqual(['y', 9])
    expect(receipt.positions).toHaveLength(1)
  })

  it('of many that read and write one counter at once loses no update', async () => {
    await using log = await openLog({ memory: true })
    const key = bytes('n')
    const add = (): Promise<void> =>
      log.transaction(
        async tx => tx.putState('s', key, bytes(`${Number(text((await tx.getState('s', key)) ?? bytes('0'))) + 1}`)),
        { retries: 100 },
      )
    await Promise.all(Array.from({ length: 20 }, add))
    expect(text(await log.getState('s', key))).toBe('20')
  })

  it('conflicts with a key that appears in a range it has read', async () => {
    await using log = await openLog({ memory: true })
    let attempts = 0
    await log.transaction(async tx => {
      let count = 0
      for await (const _ of tx.scanState('s')) count++
      if (++attempts === 1) await log.transaction(other => other.putState('s', bytes('new'), bytes('')))
      tx.putState('result', bytes('count'), bytes(`${count}`))
    })
    expect([attempts, text(await log.getState('result', bytes('count')))]).toEqual([2, '1'])
  })

  it('used after its end throws', async () => {
    await using log = await openLog({ memory: true })
    const kept = await log.transaction(tx => tx)
    expect(() => kept.putState('s', bytes('k'), bytes('v'))).toThrow(/has ended/)
  })
})

describe('a group', () => {
  it('shares partitions, moves only what must move, and fences who has lost one', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t', { partitions: 4 })
    const revoked: number[] = []
    const first = await log.join({
      groupId: 'g',
      topic: 't',
      onAssignment: async change => void revoked.push(...change.revoked),
    })
    expect(first.partitions.size).toBe(4)
    const second = await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    expect([first.partitions.size, second.partitions.size, revoked.length]).toEqual([2, 2, 2])
    const commit = log.commitPosition({ groupId: 'g', topic: 't', partition: revoked[0]!, offset: 1, member: first })
    await expect(commit).rejects.toMatchObject({ code: 'GENERATION_FENCED' })
    await first.leave()
    expect(second.partitions.size).toBe(4)
  })
})

describe('record batches', () => {
  it('come back as they went in, and no flipped byte of the checked part passes', () => {
    const headers = fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: fc.option(fc.uint8Array()) }))
    const blob = fc.option(fc.uint8Array())
    const record = fc.record({
      timestamp: fc.integer({ min: -(2 ** 48), max: 2 ** 48 }),
      key: blob,
      value: blob,
      headers,
    })
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.nat(2 ** 31),
        fc.nat(),
        (records, baseOffset, place) => {
          const encoded = encodeRecordBatch(records, { baseOffset })
          const plain = (bytes: Uint8Array | null): number[] | null => bytes && [...bytes]
          const shown = decodeRecordBatch(encoded).records.map(({ timestamp, key, value, headers: list }) => ({
            timestamp,
            key: plain(key),
            value: plain(value),
            headers: list.map(header => ({ key: header.key, value: plain(header.value) })),
          }))
          expect(shown).toEqual(
            records.map(({ timestamp, key, value, headers: list }) => ({
              timestamp,
              key: plain(key),
              value: plain(value),
              headers: list.map(header => ({ key: header.key, value: plain(header.value) })),
            })),
          )
          const damaged = Buffer.from(encoded)
          const at = 16 + (place % (encoded.length - 16))
          damaged[at] = damaged[at]! ^ 0x10
          expect(() => decodeRecordBatch(damaged)).toThrowError(expect.objectContaining({ code: 'BATCH_INVALID' }))
        },
      ),
    )
  })

  it('are partitioned by key as the Java client of Kafka does', () => {
    expect(['21', 'foobar', 'a-little-bit-long-string', 'abc'].map(key => partitionForKey(bytes(key), 1000))).toEqual(
      [-973932308, -790332482, -985981536, 479470107].map(hash => (hash & 0x7fffffff) % 1000),
    )
  })
})

describe('kill -9', () => {
  it('in the middle of publishing loses nothing acknowledged and tears no transaction', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'aegis-log-'))
    const program = `import { openLog } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
      const log = await openLog({ dataDir: process.argv[1] })
      await log.createTopic('a'); await log.createTopic('b')
      for (let n = await log.endOffset('a'); ; n++) {
        await log.transaction(tx => { tx.append('a', { value: Buffer.from(String(n)) }); tx.append('b', { value: Buffer.from(String(n)) }) })
        console.log(n)
      }`
    let acknowledged = -1
    for (const after of [1, 20, 55]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let seen = 0
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Math.max(acknowledged, Number(line))
        if (++seen === after) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    const log = await openLog({ dataDir })
    const a = await everything(log, 'a')
    expect(a).toEqual(Array.from({ length: a.length }, (_, n) => `${n}`))
    expect(await everything(log, 'b')).toEqual(a)
    expect(a.length).toBeGreaterThan(acknowledged)
    await log.close()
    await rm(dataDir, { recursive: true, force: true })
  })
})

describe('onCommit', () => {
  it('is called once a transaction is visible, and not for an attempt that was refused', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const seen: number[] = []
    let attempt = 0
    await log.transaction(async tx => {
      await tx.getState('s', bytes('k'))
      if (++attempt === 1) {
        await log.transaction(other => other.putState('s', bytes('k'), bytes('v')))
      }
      const mine = attempt
      tx.append('t', { value: bytes('x') })
      tx.onCommit(() => seen.push(mine, log.topic('t').endOffset))
    })
    expect(seen).toEqual([2, 1])
  })
})

describe('positions decided in the order of commits', () => {
  it('know what every commit before them has decided, and are not asked when the commit is refused', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    const decided: string[] = []
    const commit = (name: string, work: (tx: Transaction) => void = () => undefined): Promise<void> =>
      log.transaction(tx => {
        const decide = () => ({ offset: decided.push(name), metadata: decided.join() })
        tx.commitPosition({ groupId: 'g', topic: 't', partition: 0, decide })
        work(tx)
      })
    const refused = commit('b', tx => tx.append('t', { value: null, partition: 0 }, { expected: 7 })).catch(() => 'no')
    await Promise.all([commit('a'), refused, commit('c')])
    expect(await refused).toBe('no')
    expect(await log.committed('g', 't', 0)).toEqual({ offset: 2, metadata: 'a,c' })
  })
})
