import { openMemory, type Storage } from '@aegis/storage'
import { describe, expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

async function pass(turns: number): Promise<void> {
  for (let left = turns; left > 0; left--) await new Promise(resolve => setImmediate(resolve))
}

/** A storage whose reads and commits take a number of turns of their own, so that they cross in every way. */
async function crossing(turns: () => number): Promise<Storage> {
  const storage = await openMemory()
  const commit = storage.commit.bind(storage)
  const getMany = storage.getMany.bind(storage)
  const wait = (): Promise<void> => pass(turns())
  storage.commit = async (operations, options) => {
    await wait()
    await commit(operations, options)
  }
  storage.getMany = async keys => {
    const values = await getMany(keys)
    await wait()
    return values
  }
  return storage
}

describe('the sequencer', () => {
  it('decides on the newest value, wherever a commit becomes durable while stored values are fetched', async () => {
    let seed = 1
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647)
    const storage = await crossing(() => random() % 4)
    const log = await openLog({ storage })
    await log.createTopic('t', { keyed: 'history' })
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      for (let n = 0; n < 60; n++) {
        const key = bytes(`${random() % 2}`)
        // Writers that waited for one commit would else go on in step for ever.
        await pass(random() % 6)
        await log.append('t', { key, value: bytes(`${writer}.${n}`) })
      }
    })
    await Promise.all(writers)
    const records = [...(await log.history('t', bytes('0'))), ...(await log.history('t', bytes('1')))]
    expect(new Set(records.map(({ value }) => Buffer.from(value!).toString())).size).toBe(360)
    for (const key of ['0', '1']) {
      const versions = (await log.history('t', bytes(key))).map(({ version }) => version)
      expect(versions).toEqual(versions.map((_, version) => version))
    }
    await log.close()
    await storage.close()
  })

  it('after a failed write refuses everything that was decided on top of it, and goes on reading', async () => {
    const storage = await openMemory()
    const log = await openLog({ storage })
    await log.createTopic('t')
    await log.append('t', { value: 'kept' })
    const commit = storage.commit.bind(storage)
    storage.commit = () => Promise.reject(new Error('disk'))
    const first = log.append('t', { value: 'lost' })
    const second = log.append('t', { value: 'x'.repeat(100_000) })
    const third = log.append('t', { value: 'lost too' })
    const outcomes = await Promise.allSettled([first, second, third])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    storage.commit = commit
    await expect(log.append('t', { value: 'no' })).rejects.toMatchObject({ code: 'STORAGE_FENCED' })
    const { records } = await log.read('t', 0, { from: 0 })
    expect(records.map(({ value }) => Buffer.from(value!).toString())).toEqual(['kept'])
    await log.close()
    const again = await openLog({ storage })
    expect((await again.append('t', { value: 'on' })).positions[0]!.offset).toBe(1)
    await again.close()
    await storage.close()
  })

  it('refuses what rests on a value that cannot be read, and nothing else that was asked for with it', async () => {
    const storage = await openMemory()
    const log = await openLog({ storage })
    await log.createTopic('t', { keyed: 'latest' })
    const getMany = storage.getMany.bind(storage)
    storage.getMany = keys =>
      keys.some(key => Buffer.from(key).includes('damaged')) ? Promise.reject(new Error('no checksum')) : getMany(keys)
    const keys = ['a', 'b', 'damaged', 'c']
    const appended = await Promise.allSettled(
      keys.map(key => log.append('t', { key, value: 'v' }, { expected: 'no-stream' })),
    )
    expect(appended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    storage.getMany = getMany
    const { records } = await log.read('t', 0, { from: 0 })
    expect(records.map(({ key }) => Buffer.from(key!).toString())).toEqual(['a', 'b', 'c'])
    await log.close()
    await storage.close()
  })

  it('keeps the order of calls, keyed and not, and close lets everything through that was called before', async () => {
    const storage = await crossing(() => 5)
    const log = await openLog({ storage })
    await log.createTopic('rows', { keyed: 'latest' })
    await log.createTopic('plain')
    const order: string[] = []
    const calls = Array.from({ length: 40 }, (_, n) =>
      log
        .append(n % 3 === 0 ? 'rows' : 'plain', { key: `k${n % 5}`, value: 'é'.repeat(n * 200) })
        .then(() => order.push(`${n}`)),
    )
    const closed = log.close()
    await expect(log.append('plain', { value: 'late' })).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await Promise.all(calls)
    await closed
    expect(order).toEqual(Array.from({ length: 40 }, (_, n) => `${n}`))
    const again = await openLog({ storage })
    const { records } = await again.read('plain', 0, { from: 0 })
    expect(records.map(({ value }) => value!.length)).toEqual(
      Array.from({ length: 40 }, (_, n) => n * 400).filter((_, n) => n % 3 !== 0),
    )
    await again.close()
    await storage.close()
  })
})
