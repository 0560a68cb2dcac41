import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { subscribe, take } from './items.ts'

it('a commit does not pass over a page that has arrived and waits for another partition', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t', { partitions: 2 })
  const append = async (partition: number, ...values: string[]): Promise<number> =>
    (
      await log.append(
        't',
        values.map(value => ({ value, partition })),
      )
    ).positions.at(-1)!.offset
  const options = { groupId: 'g', from: 'earliest', maxAttempts: 3 } as const
  // It is delivered, and nothing is said of it: perhaps it has ended its process. It is given alone from then on.
  await append(1, 'suspect')
  await take(await subscribe(log, options), 1)

  await append(0, 'first', 'second')
  const subscription = await subscribe(log, options)
  const loop = subscription[Symbol.asyncIterator]()
  const seen = [(await loop.next()).value!]
  // The suspect may come first; then the others are what waits, and there is nothing to see.
  while (seen.at(-1)!.text !== 'first') seen.push((await loop.next()).value!)
  // Who reads is begun anew, and has what follows while the page with the suspect waits for its turn.
  const last = await append(0, 'third')
  subscription.pause({ topic: 't', partition: 1 })
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
  seen.push((await loop.next()).value!)
  expect(seen.at(-1)!.text).toBe('second')
  for (const item of seen) item.ack()
  await subscription.commit()
  expect((await log.committed('g', 't', 0))!.offset).toBeLessThanOrEqual(last)
  await subscription.close()
  expect(await take(await subscribe(log, options), 1)).toContain('third')
})
