import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesUntilKilled } from '../../../tooling/test/until-killed.ts'
import { PubSub } from '../src/index.ts'

const total = 300

// A program that begins anew at each start, as one does that has not written down how far it has come.
const program = `
import { PubSub } from '@aegis/pubsub'
const [dataDir, total] = process.argv.slice(1)
const pubsub = await PubSub.open({ dataDir })
const publish = async n => {
  await pubsub.publish('now', { messageId: 'n' + n, payload: n })
  await pubsub.publish('later', { messageId: 'l' + n, payload: n, delay: n % 3 })
  console.log(n)
}
for (let n = 0; n < total; n += 5) await Promise.all([0, 1, 2, 3, 4].map(at => publish(n + at)))
setInterval(() => console.log('waiting'), 10)
`

const publishUntilKilled = (dataDir: string, lines: number): Promise<string[]> =>
  linesUntilKilled(import.meta.dirname, program, [dataDir, String(total)], lines)

it('a publisher killed again and again, that begins anew each time, has each message in its topic once', {
  timeout: 120_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-publisher-'))
  try {
    {
      await using pubsub = await PubSub.open({ dataDir })
      for (const topic of ['now', 'later']) await pubsub.createTopic(topic, { partitions: 2 })
    }
    for (const lines of [1, 23, 77, 150, 301]) await publishUntilKilled(dataDir, lines)
    await using pubsub = await PubSub.open({ dataDir })
    await expect.poll(async () => (await pubsub.schedules.list()).length).toBe(0)
    for (const topic of ['now', 'later']) {
      const payloads = (await pubsub.history(topic, { limit: 10_000 })).map(({ payload }) => payload)
      expect(payloads.sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, n) => n))
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})
