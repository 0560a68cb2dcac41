import { openLog } from '@aegis/log'
import { of, take as takeFirst, throwError, timer } from 'rxjs'
import { map } from 'rxjs/operators'
import { describe, expect, it } from 'vitest'
import { ackAfter } from '../src/rxjs.ts'
import { everything, publish, subscribe } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0, maxAttempts: 2 } as const

describe('ackAfter', () => {
  it('acknowledges when the work has completed, and gives on what it gave', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abc')
    const subscription = await subscribe(log, earliest)
    const closed = new Promise<void>(resolve => subscription.onClose(resolve))
    const given: string[] = []
    subscription
      .asObservable()
      .pipe(
        ackAfter(item => of(item.text, item.text.toUpperCase())),
        takeFirst(4),
      )
      .subscribe(text => given.push(text))
    await closed
    expect(given).toEqual(['a', 'A', 'b', 'B'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  })

  it('refuses what fails and goes on; after the last attempt it is in the dead letters with the error', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, ...'abc')
    const subscription = await subscribe(log, earliest)
    const seen: string[] = []
    const listening = subscription
      .asObservable()
      .pipe(
        ackAfter(
          item => {
            seen.push(`${item.text}${item.attempts}`)
            if (item.text === 'a') throw new TypeError('at once')
            return item.text === 'b' ? throwError(() => new RangeError('later')) : timer(1).pipe(map(() => item.text))
          },
          { concurrency: 3 },
        ),
      )
      .subscribe()
    await expect.poll(async () => (await log.committed('g', 't', 0))?.offset).toBe(3)
    const closed = new Promise<void>(resolve => subscription.onClose(resolve))
    listening.unsubscribe()
    await closed
    expect(seen.sort()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1'])
    expect((await everything(log, 't.dead')).sort()).toEqual(['a', 'b'])
  })
})
