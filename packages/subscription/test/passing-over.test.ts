import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { type Decode, Subscription } from '../src/index.ts'

it('records that a subscriber does not want are passed over undecoded, and its group goes on behind them', async () => {
  await using log = await openLog({ memory: true })
  await log.createTopic('t')
  const decoded: string[] = []
  const decode: Decode<{ text: string; ack: () => void }> = ({ value }, { ack }) => {
    const text = Buffer.from(value!).toString()
    decoded.push(text)
    return { text, ack }
  }
  decode.wants = ({ value }) => value?.[0] === 0x61
  const append = (...values: string[]) =>
    log.append(
      't',
      values.map(value => ({ value })),
    )
  await append('a1', 'b1', 'b2')
  for (let page = 0; page < 3; page++) await append('b3', 'b4')
  for (const expected of ['a1', 'a2']) {
    const subscription = await Subscription.open(log, 't', decode, {
      groupId: 'g',
      from: 'earliest',
      maxPollRecords: 2,
    })
    for await (const { text, ack } of subscription) {
      expect(text).toBe(expected)
      ack()
      if (expected === 'a1') await expect.poll(async () => (await log.lag('g', 't'))[0]!.lag).toBe(0)
      break
    }
    await append('b5', 'a2')
  }
  expect(decoded).toEqual(['a1', 'a2'])
})
