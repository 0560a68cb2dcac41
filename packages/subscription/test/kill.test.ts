import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../tooling/test/until-killed.ts'
import { everything } from './items.ts'

const total = 400

// A consumer of its own that tells each message it has handled, until it is killed; however late that is, it leaves some to the next.
const program = `
import { openLog } from '@aegis/log'
import { Subscription } from '@aegis/subscription'
const [dataDir, delivery, lines] = process.argv.slice(1)
let printed = 0
const log = await openLog({ dataDir })
const subscription = await Subscription.open(
  log, 't', (record, { ack }) => ({ text: Buffer.from(record.value).toString(), ack }),
  { groupId: 'g', from: 'earliest', delivery, maxPollRecords: 16 })
await subscription.run(async ({ text }, tx) => {
  if (delivery === 'exactly-once') tx.append('out', { value: Buffer.from(text) })
  else await log.append('out', { value: Buffer.from(text) })
  console.log(text)
  if (++printed === Number(lines) + 20) await new Promise(() => undefined)
})
`

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  const promise = delivery === 'exactly-once' ? 'nothing lost and nothing doubled' : 'nothing lost'
  it(`a consumer killed again and again leaves ${promise} under ${delivery}`, { timeout: 120_000 }, async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
    const texts = Array.from({ length: total }, (_, at) => String(at))
    {
      await using log = await openLog({ dataDir })
      await log.createTopic('t', { partitions: 2 })
      await log.createTopic('out')
      await log.append(
        't',
        texts.map((text, at) => ({ value: Buffer.from(text), partition: at % 2 })),
      )
    }
    for (const lines of [1, 37, 60, 100])
      await linesUntilKilled(import.meta.dirname, program, [dataDir, delivery, String(lines)], lines)
    await using log = await openLog({ dataDir })
    const { Subscription } = await import('../src/index.ts')
    const subscription = await Subscription.open(log, 't', ({ value }) => ({ text: Buffer.from(value!).toString() }), {
      groupId: 'g',
      delivery: 'exactly-once',
    })
    const running = subscription.run(({ text }, tx) => void tx.append('out', { value: Buffer.from(text) }))
    await expect.poll(async () => (await log.lag('g', 't')).every(({ lag }) => lag === 0)).toBe(true)
    await subscription.close()
    await running
    const out = await everything(log, 'out')
    expect([...new Set(out)].map(Number).sort((a, b) => a - b)).toEqual(texts.map(Number))
    if (delivery === 'exactly-once') expect(out).toHaveLength(total)
    await log.close()
    await rm(dataDir, { recursive: true })
  })
}
