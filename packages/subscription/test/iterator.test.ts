import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { publish, subscribe } from './items.ts'

it('items that are asked for at once, before they are there, come in order; asking for the next acknowledges the one before', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t')
  const subscription = await subscribe(log, { groupId: 'g', from: 'earliest', autoCommit: true })
  const items = subscription[Symbol.asyncIterator]()
  const asked = [items.next(), items.next(), items.next()]
  await publish(log, 'a', 'b', 'c')
  expect((await Promise.all(asked)).map(({ value }) => value?.text)).toEqual(['a', 'b', 'c'])
  await subscription.commit()
  expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  await items.return?.()
  expect(await items.next()).toEqual({ done: true, value: undefined })
})
