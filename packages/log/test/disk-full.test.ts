import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FaultyDisk } from '@aegis/storage/testing'
import { expect, it } from 'vitest'
import { smallDisk } from '../../../tooling/test/small-disk.mjs'
import { type Log, openLog, verifyLog } from '../src/index.ts'

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )

/** Numbers of the records that are there, in order. */
async function numbers(log: Log): Promise<number[]> {
  const found: number[] = []
  for (let from = 0, end = await log.endOffset('orders'); from < end; ) {
    const { records, nextOffset } = await log.read('orders', 0, { from })
    found.push(...records.map(({ key }) => Number(Buffer.from(key ?? []).toString())))
    from = nextOffset
  }
  return found
}

async function promises(open: () => Promise<Log>, free: () => Promise<void>): Promise<void> {
  const log = await open()
  await log.createTopic('orders')
  let acknowledged = 0
  const append = (n: number) => log.append('orders', { key: `${n}`, value: randomBytes(100_000) })
  let refused = 'done'
  while ((refused = await code(append(acknowledged))) === 'done') acknowledged++
  expect(refused).toBe('STORAGE_FULL')
  // Nothing that comes later is acknowledged, in no way of writing; what was acknowledged can be read.
  expect(await code(append(acknowledged + 1))).toBe('STORAGE_FENCED')
  expect(await code(log.createTopic('more'))).toBe('STORAGE_FENCED')
  const position = { groupId: 'group', topic: 'orders', partition: 0, offset: 1 }
  expect(await code(log.commitPosition(position))).toBe('STORAGE_FENCED')
  expect(await code(log.transaction(tx => tx.append('orders', { value: 'x' })))).toBe('STORAGE_FENCED')
  const all = Array.from({ length: acknowledged }, (_, n) => n)
  expect(await numbers(log)).toEqual(all)
  await log.close()
  await free()
  const again = await open()
  // The refused one may be there, whole: nobody was told that it is not.
  const found = await numbers(again)
  expect([all, [...all, acknowledged]]).toContainEqual(found)
  await again.append('orders', { key: `${found.length}`, value: 'after' })
  expect(await numbers(again)).toEqual([...found, found.length])
  expect((await verifyLog(again)).problems).toEqual([])
  await again.close()
}

it('a full disk takes nothing acknowledged of a log; it is read on, and written after space was freed and it was opened again', async context => {
  const disk = await smallDisk('24m')
  if (typeof disk === 'string') return context.skip(disk)
  try {
    const ballast = join(disk.path, 'ballast')
    await writeFile(ballast, Buffer.alloc(14 << 20))
    await promises(
      () => openLog({ dataDir: join(disk.path, 'data') }),
      () => rm(ballast),
    )
  } finally {
    await disk.remove()
  }
})

it.each(['refused', 'stored'] as const)(
  'the same on a disk that says that it is full, when the write was %s',
  async outcome => {
    const disk = new FaultyDisk()
    disk.fail({ at: 20, repeat: true, outcome, error: 'ENOSPC' })
    await promises(
      async () => {
        const storage = await disk.open()
        const log = await openLog({ storage })
        const close = log.close.bind(log)
        // A log does not close a storage that it was given.
        log.close = async () => {
          await close()
          await storage.close()
        }
        return log
      },
      async () => disk.heal(),
    )
  },
)
