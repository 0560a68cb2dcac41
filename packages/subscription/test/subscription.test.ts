import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, openLog } from '@aegis/log'
import { expect, test } from 'vitest'
import { Subscription, type SubscriptionOptions } from '../src/index.ts'

const subscribe = (log: Log, options: SubscriptionOptions) =>
  Subscription.open(log, 't', (record, ack) => ({ text: Buffer.from(record.value!).toString(), ack }), options)
const append = (log: Log, ...texts: string[]) =>
  log.append(
    't',
    texts.map(text => ({ value: Buffer.from(text) })),
  )

test('after a restart exactly what was not acknowledged is delivered again', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
  let log = await openLog({ dataDir })
  await log.createTopic('t')
  await append(log, 'a', 'b', 'c', 'd')
  let seen = 0
  for await (const item of await subscribe(log, { groupId: 'g', from: 'earliest' })) {
    if (item.text === 'a' || item.text === 'c') item.ack()
    if (++seen === 4) break
  }
  await log.close()
  log = await openLog({ dataDir })
  const again: string[] = []
  for await (const item of await subscribe(log, { groupId: 'g' })) {
    again.push(item.text)
    if (again.length === 2) break
  }
  expect(again).toEqual(['b', 'd'])
  await log.close()
  await rm(dataDir, { recursive: true })
})

test('two members share the partitions', async () => {
  const log = await openLog({ memory: true })
  await log.createTopic('t', { partitions: 4 })
  const seen: string[] = []
  const per = [0, 0]
  const members = [await subscribe(log, { groupId: 'g' }), await subscribe(log, { groupId: 'g' })]
  const runs = members.map((member, i) =>
    member.run(item => {
      seen.push(item.text)
      per[i]!++
    }),
  )
  await log.append(
    't',
    [...'abcdefgh'].map((text, i) => ({ value: Buffer.from(text), partition: i % 4 })),
  )
  await expect.poll(() => seen.length).toBe(8)
  for (const member of members) await member.close()
  await Promise.all(runs)
  expect(seen.sort().join('')).toBe('abcdefgh')
  expect(per).toEqual([4, 4])
  await log.close()
})

test('exactly once refuses a bare ack and commits in the transaction; a second loop throws', async () => {
  const log = await openLog({ memory: true })
  await log.createTopic('t')
  const sub = await subscribe(log, { groupId: 'g', delivery: 'exactly-once' })
  await append(log, 'a')
  await sub.run((item, tx) => {
    expect(tx).toBeDefined()
    expect(() => item.ack()).toThrow(expect.objectContaining({ code: 'ACK_OUTSIDE_TRANSACTION' }))
    setTimeout(() => void sub.close(), 50)
  })
  expect((await log.committed('g', 't', 0))!.offset).toBe(log.endOffset('t'))
  const plain = await subscribe(log, {})
  plain[Symbol.asyncIterator]()
  expect(() => plain[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'SUBSCRIPTION_BUSY' }))
  await plain.close()
  await log.close()
})
