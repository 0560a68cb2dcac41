import { openMemory, type Storage } from '@aegis/storage'
import { describe, expect, it } from 'vitest'
import { type Log, openLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** A storage that shows what it has written before it says so, as LevelDB does for a moment: here until it is told to go on. */
async function slowToTell(): Promise<{ storage: Storage; written: Promise<void>; hold(): void; goOn(): void }> {
  const storage = await openMemory()
  const commit = storage.commit.bind(storage)
  let holds = false
  let told: () => void = () => undefined
  let goOn: () => void = () => undefined
  const written = new Promise<void>(resolve => {
    told = resolve
  })
  const gate = new Promise<void>(resolve => {
    goOn = resolve
  })
  storage.commit = async (operations, options) => {
    await commit(operations, options)
    if (!holds) return
    told()
    await gate
  }
  return { storage, written, hold: () => (holds = true), goOn: () => goOn() }
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item
  return undefined
}

describe('a commit that storage shows before it says that it is done', () => {
  const ways: [string, (log: Log) => Promise<unknown>][] = [
    ['its key', log => log.get('rows', bytes('k'))],
    ['its row', log => log.getState('space', bytes('k'))],
    ['a row that it deletes', async log => (await log.getState('space', bytes('old'))) === undefined],
    ['a scan of keys', log => first(log.scan('rows'))],
    ['a scan of rows', log => first(log.scanState('space', bytes('k')))],
    ['the history of a key', async log => (await log.history('events', bytes('k')))[0]],
    ['a transaction', log => log.transaction(tx => tx.getState('space', bytes('k')))],
  ]

  it.each(ways)('is shown by %s only with its records', async (_way, find) => {
    const { storage, written, hold, goOn } = await slowToTell()
    await using log = await openLog({ storage })
    await log.createTopic('t')
    await log.createTopic('rows', { keyed: 'latest' })
    await log.createTopic('events', { keyed: 'history' })
    await log.transaction(tx => tx.putState('space', bytes('old'), bytes('1')))
    hold()
    const committed = log.transaction(tx => {
      tx.append('t', { value: '1' })
      tx.append('rows', { key: 'k', value: '1' })
      tx.append('events', { key: 'k', value: '1' })
      tx.putState('space', bytes('k'), bytes('1'))
      tx.deleteState('space', bytes('old'))
    })
    await written
    const found = find(log).then(async value => ({ value, end: await log.endOffset('t') }))
    // So long that it would have been told if it were not held back.
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
    goOn()
    const { value, end } = await found
    if (value !== undefined && value !== false) expect(end).toBe(1)
    await committed
    expect(value).toBeTruthy()
  })

  it('keeps nobody waiting who reads something else', async () => {
    const { storage, written, hold, goOn } = await slowToTell()
    await using log = await openLog({ storage })
    await log.transaction(tx => tx.putState('space', bytes('other'), bytes('1')))
    hold()
    const committed = log.transaction(tx => tx.putState('space', bytes('k'), bytes('1')))
    await written
    expect(await log.getState('space', bytes('other'))).toEqual(bytes('1'))
    goOn()
    await committed
  })
})
