import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBackup, restoreBackup } from '@aegis/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backupLog, type Log, openLog, verifyLog } from '../src/index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | null | undefined) => (value ? Buffer.from(value).toString() : value)

let root = ''
const at = (name: string) => join(root, name)
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-log-backup-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const values = async (log: Log, topic: string, from = 0) =>
  (await log.read(topic, 0, { from })).records.map(({ value }) => text(value))

async function restored(log: Log): Promise<Log> {
  await backupLog(log, { to: at('backup') })
  await restoreBackup({ from: at('backup'), to: at('restored') })
  return openLog({ dataDir: at('restored') })
}

describe('a restored log', () => {
  it('has records, keys, versions, state and the positions of groups as of the backup, and goes on', async () => {
    await using log = await openLog({ dataDir: at('data') })
    await log.createTopic('orders')
    await log.createTopic('streams', { keyed: 'history' })
    for (let n = 0; n < 5; n++) await log.append('orders', { value: `${n}` })
    await log.append('streams', [
      { key: 'a', value: '0' },
      { key: 'a', value: '1' },
    ])
    await log.commitPosition({ groupId: 'group', topic: 'orders', partition: 0, offset: 3 })
    await log.transaction(tx => tx.putState('space', bytes('key'), bytes('value')))
    await using again = await restored(log)
    await log.append('orders', { value: 'after the backup' })
    expect((await verifyLog(again)).problems).toEqual([])
    expect(await values(again, 'orders')).toEqual(['0', '1', '2', '3', '4'])
    expect(text(await again.getState('space', bytes('key')))).toBe('value')
    const position = (await again.committed('group', 'orders', 0))?.offset ?? -1
    expect(await values(again, 'orders', position)).toEqual(['3', '4'])
    await again.append('orders', { value: 'new' })
    expect(await values(again, 'orders', position)).toEqual(['3', '4', 'new'])
    await again.append('streams', { key: 'a', value: '2' }, { expected: 1 })
    expect((await again.history('streams', bytes('a'))).map(({ version }) => version)).toEqual([0, 1, 2])
    expect((await again.lag('group', 'orders'))[0]?.lag).toBe(3)
    expect((await verifyLog(again)).problems).toEqual([])
  })

  it('never gives another record for a position that somebody kept, of a record that the backup does not have', async () => {
    await using log = await openLog({ dataDir: at('data') })
    await log.createTopic('orders')
    const { positions } = await log.append('orders', [{ value: 'a' }, { value: 'b' }])
    await using again = await restored(log)
    // Kept elsewhere: of the last record that was backed up, and of two after it.
    const kept = positions.at(-1)!.offset
    const lost = [(await log.append('orders', { value: 'c' })).positions[0]!.offset]
    lost.push((await log.append('orders', { value: 'd' })).positions[0]!.offset)
    for (const value of ['other c', 'other d', 'other e']) await again.append('orders', { value })

    expect(await values(again, 'orders', kept)).toEqual(['b', 'other c', 'other d', 'other e'])
    expect(await values(again, 'orders', kept + 1)).toEqual(['other c', 'other d', 'other e'])
    // Behind the first lost one: it was handled, the next offset was to be read.
    for (const offset of [...lost, lost.at(-1)! + 1].slice(1)) {
      const gone = { code: 'OFFSET_RESET', details: { topic: 'orders', restoredEnd: kept + 1 } }
      await expect(again.read('orders', 0, { from: offset })).rejects.toMatchObject(gone)
      expect(() => again.follow('orders', { positions: new Map([[0, offset]]) })).toThrow(
        /database before it was restored/,
      )
      const position = { groupId: 'group', topic: 'orders', partition: 0, offset }
      await expect(again.commitPosition(position)).rejects.toMatchObject(gone)
      await expect(again.resetGroup('group', 'orders', { offset })).rejects.toMatchObject(gone)
    }
  })

  it('keeps that over a restart, and over being restored again', async () => {
    const log = await openLog({ dataDir: at('data') })
    await log.createTopic('orders')
    await log.append('orders', { value: 'a' })
    const first = await restored(log)
    await log.close()
    const end = (await first.append('orders', { value: 'b' })).positions[0]!.offset + 1
    await backupLog(first, { to: at('backup of the restored') })
    await first.close()
    await restoreBackup({ from: at('backup of the restored'), to: at('second') })
    for (let open = 0; open < 2; open++) {
      await using second = await openLog({ dataDir: at('second') })
      for (const offset of [5, end + 5]) {
        await expect(second.read('orders', 0, { from: offset })).rejects.toMatchObject({ code: 'OFFSET_RESET' })
      }
      expect(await values(second, 'orders', end)).toEqual(open === 0 ? [] : ['c'])
      if (open === 0) await second.append('orders', { value: 'c' })
      expect(await second.endOffset('orders')).toBeGreaterThan(end)
    }
  })
})

it('a log can be looked into in its backup, and not written to', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('orders')
  await log.append('orders', { value: 'a' })
  await backupLog(log, { to: at('backup') })
  const { storage } = await openBackup(at('backup'))
  const backup = await openLog({ storage })
  expect(await values(backup, 'orders')).toEqual(['a'])
  expect((await verifyLog(backup)).sound).toBe(true)
  await expect(backup.append('orders', { value: 'b' })).rejects.toMatchObject({ code: 'STORAGE_READ_ONLY' })
  await backup.close()
  await storage.close()
})
