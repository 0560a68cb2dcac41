import { expect, it } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

it('a message is acknowledged in the transaction that holds what was made of it, or not at all', async () => {
  await using engine = await StreamingEngine.open({ memory: true })
  await engine.createTopic('orders')
  await engine.createTopic('invoices')
  await engine.publishMany('orders', [{ payload: 1 }, { payload: 2 }])
  const options = { groupId: 'billing', from: 'earliest', delivery: 'exactly-once' } as const
  const attempt = async (fail: boolean): Promise<void> => {
    for await (const order of await engine.subscribe('orders', options)) {
      await engine.transaction(tx => {
        tx.publish('invoices', { payload: { order: order.payload } })
        tx.ack(order)
        if (fail) throw new Error('the printer is on fire')
      })
      break
    }
  }
  await expect(attempt(true)).rejects.toThrow('on fire')
  expect(await engine.log.endOffset('invoices')).toBe(0)
  await attempt(false)
  await attempt(false)
  const invoices: number[] = []
  for await (const { payload } of await engine.subscribe('invoices', { from: 'earliest' })) {
    if (invoices.push(payload.order) === 2) break
  }
  expect(invoices).toEqual([1, 2])
})
