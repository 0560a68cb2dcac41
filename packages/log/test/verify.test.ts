import { type Entry, openMemory, type Progress, type Storage } from '@aegis/storage'
import { describe, expect, it } from 'vitest'
import { decodeRecordBatch, encodeRecordBatch, type Log, openLog, verifyLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
// The first byte of a stored key says what it is of.
const [batch, figures, latest, head, history] = [0x20, 0x21, 0x30, 0x40, 0x41]

/** A log with everything that a log can have; each append is a batch of its own. */
async function given(): Promise<{ storage: Storage; log: Log }> {
  const storage = await openMemory()
  let now = 1_000
  const log = await openLog({ storage, now: () => now })
  await log.createTopic('plain', { partitions: 2, retention: { time: '10s' } })
  await log.createTopic('rows', { keyed: 'latest', partitions: 2 })
  await log.createTopic('streams', { keyed: 'history' })
  await log.createTopic('gone')
  for (let n = 0; n < 12; n++) {
    now = n < 4 ? 1_000 : 20_000
    await log.append('plain', { key: `key${n}`, value: `value${n}`, partition: n % 2 })
    await log.append('rows', { key: `row${n % 5}`, value: n === 8 ? null : `value${n}` })
    await log.append('streams', [
      { key: `stream${n % 3}`, value: 'a'.repeat(1_500) },
      { key: `stream${n % 3}`, value: 'b' },
    ])
    await log.append('gone', { value: 'x' })
  }
  await log.append('streams', { key: 'stream0', value: 'among the newest, not in a page' })
  await log.deleteTopic('gone')
  await log.runMaintenance()
  await log.commitPosition({ groupId: 'group', topic: 'plain', partition: 0, offset: 3 })
  await log.transaction(tx => {
    tx.append('plain', { value: 'in a transaction', partition: 0 })
    tx.putState('space', bytes('key'), bytes('value'))
  })
  return { storage, log }
}

async function entries(storage: Storage, space: number): Promise<Entry[]> {
  const found: Entry[] = []
  for await (const chunk of storage.range({ gte: Uint8Array.of(space), lt: Uint8Array.of(space + 1) }))
    found.push(...chunk)
  return found
}

const remove = (storage: Storage, [key]: Entry) => storage.commit([{ type: 'delete', key }])
const put = (storage: Storage, [key]: Entry, value: Uint8Array) => storage.commit([{ type: 'put', key, value }])

describe('verifying a log', () => {
  it('finds a log sound in which everything was done that can be, and says what there is', async () => {
    const { storage, log } = await given()
    const progress: Progress[] = []
    const report = await verifyLog(log, { onProgress: step => progress.push(step) })
    expect(report).toMatchObject({ sound: true, topics: 3, problems: [], storage: { damage: [] } })
    // Retention took four of twelve.
    expect(report.records).toBe(9 + 12 + 25)
    expect(progress.at(-1)?.fraction).toBe(1)
    const fractions = progress.map(({ fraction }) => fraction)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    await log.close()
    await storage.close()
  })

  it('goes on while the log is written, and sees one moment of it', async () => {
    const { log } = await given()
    let stopped = false
    const writing = (async () => {
      while (!stopped) await log.append('rows', { key: 'row1', value: 'again' })
    })()
    for (let times = 0; times < 5; times++) expect((await verifyLog(log)).problems).toEqual([])
    stopped = true
    await writing
    await log.close()
  })

  it('ends early when its signal says so', async () => {
    const { log } = await given()
    const reason = new Error('enough')
    await expect(verifyLog(log, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await log.close()
  })

  const defects: [string, (storage: Storage) => Promise<void>, RegExp][] = [
    [
      'a batch in the middle is missing',
      async s => remove(s, (await entries(s, batch))[1]!),
      /records from .* are missing/,
    ],
    ['the first batch is missing', async s => remove(s, (await entries(s, batch))[0]!), /are missing/],
    [
      'the last batch of a partition is missing',
      async s => remove(s, (await entries(s, batch)).at(-1)!),
      /are missing/,
    ],
    [
      'a batch stands where another one was',
      async s => {
        const all = await entries(s, batch)
        await put(s, all[1]!, all[2]![1])
      },
      /is not of its batch/,
    ],
    [
      'a batch cannot be read',
      async s => {
        const [one] = await entries(s, batch)
        await put(s, one!, Uint8Array.from(one![1]).fill(7, 60))
      },
      /crc|CRC|checksum|batch/,
    ],
    [
      'the figures of a partition are missing',
      async s => remove(s, (await entries(s, figures))[0]!),
      /partition ends at 0/,
    ],
    [
      'the figures are of an earlier commit',
      async s => {
        const [one, other] = await entries(s, figures)
        await put(s, one!, other![1])
      },
      /./,
    ],
    ['a row has no entry for its key', async s => remove(s, (await entries(s, latest))[0]!), /no entry for its key/],
    [
      'an entry is of another key',
      async s => {
        const [one, other] = await entries(s, latest)
        await put(s, one!, other![1])
      },
      /not of its key/,
    ],
    ['a key of a stream has no head', async s => remove(s, (await entries(s, head))[0]!), /not counted in its head/],
    [
      'the newest events of a stream are missing',
      async s => {
        const [stream] = await entries(s, head)
        await put(s, stream!, stream![1].subarray(0, -1))
      },
      /newest records/,
    ],
    [
      'events in the middle of a stream are missing',
      async s => remove(s, (await entries(s, history))[1]!),
      /versions .* missing/,
    ],
    [
      'an event has no version',
      async s => {
        // The third topic's; the envelope before its batch has 33 bytes.
        const stream = (await entries(s, batch)).find(([key]) => key[4] === 3)!
        const [envelope, stored] = [stream[1].subarray(0, 33), stream[1].subarray(33)]
        const records = decodeRecordBatch(stored).records.map(record => ({ ...record, headers: [] }))
        const bare = encodeRecordBatch(records, { baseOffset: records[0]!.offset })
        await put(s, stream, Buffer.concat([envelope, bare]))
      },
      /has no version/,
    ],
    [
      'there are records of no topic',
      async s => {
        const [one] = await entries(s, batch)
        await s.commit([
          {
            type: 'put',
            key: Buffer.concat([one![0].subarray(0, 4), bytes('\u0063'), one![0].subarray(5)]),
            value: one![1],
          },
        ])
      },
      /no such topic/,
    ],
  ]
  it.each(defects)('finds that %s', async (_, damage, reason) => {
    const { storage, log } = await given()
    await log.close()
    await damage(storage)
    const again = await openLog({ storage })
    const { sound, problems } = await verifyLog(again)
    expect(sound).toBe(false)
    expect(problems.map(problem => problem.reason).join('\n')).toMatch(reason)
    await again.close()
    await storage.close()
  })
})

describe('records that are missing in storage', () => {
  it.each([
    [0, 'before the first'],
    [1, 'in the middle'],
    [3, 'at the end'],
  ])('are an error for readers and followers, never a shorter log: batch %i, %s', async at => {
    const { storage, log } = await given()
    await log.close()
    const before = (await entries(storage, batch)).slice(0, 4)
    await remove(storage, before[at]!)
    const again = await openLog({ storage })
    const read = async (from: number): Promise<number> => {
      const { records, nextOffset } = await again.read('plain', 0, { from, maxRecords: 1 })
      return records.length === 0 ? nextOffset : read(nextOffset)
    }
    await expect(read(0)).rejects.toMatchObject({ code: 'RECORDS_MISSING', details: { topic: 'plain', partition: 0 } })
    const follower = again.follow('plain', { positions: new Map([[0, 0]]), maxRecords: 1 })
    const follow = async (): Promise<never> => {
      await follower.next()
      return follow()
    }
    await expect(follow()).rejects.toMatchObject({ code: 'RECORDS_MISSING' })
    await again.close()
    await storage.close()
  })
})
