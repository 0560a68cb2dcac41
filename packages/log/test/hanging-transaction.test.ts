import { openMemory } from '@aegis/storage'
import { afterEach, expect, it, vi } from 'vitest'
import { openLog } from '../src/index.ts'

afterEach(() => void vi.useRealTimers())

it('a transaction whose function does not return holds nothing for longer than it could commit, whatever clock the log has', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const storage = await openMemory()
  let open = 0
  const snapshot = storage.snapshot.bind(storage)
  storage.snapshot = () => {
    const taken = snapshot()
    const close = taken.close.bind(taken)
    open++
    taken.close = async () => {
      open--
      await close()
    }
    return taken
  }
  const log = await openLog({ storage, now: () => 1_000 })
  let goOn: (() => void) | undefined
  const outcome = log
    .transaction(async tx => {
      await tx.getState('s', Buffer.from('k'))
      await new Promise<void>(resolve => {
        goOn = resolve
      })
      await tx.getState('s', Buffer.from('k'))
    })
    .then(
      () => 'done',
      error => error.code,
    )
  while (goOn === undefined) await new Promise<void>(resolve => setImmediate(resolve))
  expect(open).toBe(1)
  vi.advanceTimersByTime(12_000)
  expect(open).toBe(0)
  goOn()
  expect(await outcome).toBe('TRANSACTION_TOO_OLD')
  // Those that end in time leave no timer behind.
  await log.transaction(tx => tx.getState('s', Buffer.from('k')))
  expect([open, vi.getTimerCount()]).toEqual([0, 0])
  await log.close()
  await storage.close()
})
