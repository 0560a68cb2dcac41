import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connectLog } from '@aegis/log-jetstream'
import { expect, it, onTestFinished, vi } from 'vitest'
import { describeEachLog } from '../../../tooling/test/each-log.ts'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { type EventConsumer, EventStore } from '../src/index.ts'

const streams = Array.from({ length: 24 }, (_, n) => `in-${n}`)

async function appendTo(store: EventStore, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++)
    await Promise.all(streams.map(stream => store.append(stream, { type: 'e', data: n })))
}

/** What a group has made of each stream: its events once, in order. */
async function expectCopied(store: EventStore, count: number): Promise<void> {
  for (const stream of streams) {
    const copies = await vi.waitFor(
      async () => {
        const events = await store.load(`copy-${stream}`)
        expect(events.length).toBeGreaterThanOrEqual(count)
        return events
      },
      { timeout: 50_000, interval: 50 },
    )
    expect(copies.map(({ data }) => data)).toEqual(Array.from({ length: count }, (_, n) => n))
  }
}

describeEachLog('a group that shares the streams', open => {
  it('leaves nothing with a member that could not begin', async () => {
    const log = await open()
    const store = new EventStore(log)
    const join = (maxAttempts: number): Promise<EventConsumer> =>
      store.consume('in-*', { groupId: 'g', maxAttempts }, () => undefined)
    await expect(join(0)).rejects.toMatchObject({ code: 'SUBSCRIPTION_INVALID' })
    const consumer = await join(3)
    await vi.waitFor(() => expect(consumer.slots).toEqual([0, 1, 2, 3, 4, 5, 6, 7]), 20_000)
    await consumer.close()
  })

  it('handles each event once, the events of a stream in order, while members come and go', async () => {
    const log = await open()
    const store = new EventStore(log)
    const join = (): Promise<EventConsumer> =>
      store.consume(
        'in-*',
        { groupId: 'copy', delivery: 'exactly-once', backoff: 0 },
        async ({ streamId, data }, tx) => {
          await store.within(tx).append(`copy-${streamId}`, { type: 'copied', data })
        },
      )
    await appendTo(store, 0, 3)
    const [first, second] = [await join(), await join()]
    const slotsOf = (...members: EventConsumer[]): number[] => members.flatMap(({ slots }) => slots).sort()
    await vi.waitFor(() => expect([first.slots.length, second.slots.length]).toEqual([4, 4]), 20_000)
    expect(slotsOf(first, second)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await appendTo(store, 3, 2)
    const third = await join()
    const appending = appendTo(store, 5, 3)
    await first.close()
    await vi.waitFor(() => expect([second.slots.length, third.slots.length]).toEqual([4, 4]), 20_000)
    await appending
    await second.close()
    await appendTo(store, 8, 2)
    await expectCopied(store, 10)
    await vi.waitFor(async () => expect(await third.lag()).toBe(0), 20_000)
    await third.close()
    await expect(third.closed).resolves.toBeUndefined()
  })

  it('parks what cannot be handled and is given it back, whichever slot it is of', async () => {
    const log = await open()
    const store = new EventStore(log)
    let broken = true
    const handled: string[] = []
    await using _consumer = await store.consume(
      'in-*',
      { groupId: 'g', maxAttempts: 1, backoff: 0 },
      ({ streamId }) => {
        if (broken) throw new Error('cannot')
        handled.push(streamId)
      },
    )
    await appendTo(store, 0, 1)
    await vi.waitFor(async () => {
      const dead = await log.read('$events.dead', 0, { from: 0 })
      expect(dead.records).toHaveLength(streams.length)
    }, 20_000)
    broken = false
    expect(await store.redrive('g')).toBe(streams.length)
    await vi.waitFor(() => expect(handled.sort()).toEqual(streams.toSorted()), 40_000)
  })

  it('ends with the error that nothing can go on from, and refuses what is for other groups', async () => {
    const log = await open()
    const store = new EventStore(log)
    const options = { groupId: 'g', mode: 'shared' }
    await expect(store.consume('*', options, () => undefined)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    await expect(store.consume('*', { groupId: '' }, () => undefined)).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    const consumer = await store.consume('in-*', { groupId: 'g' }, () => undefined)
    await log.close()
    await expect(consumer.closed).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED/) })
  })
})

const program = `import { connectLog } from ${JSON.stringify(join(import.meta.dirname, '../../log-jetstream/dist/index.js'))}
  import { EventStore } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const [url, domain] = process.argv.slice(1)
  const store = new EventStore(await connectLog({ url, domain }))
  const options = { groupId: 'copy', delivery: 'exactly-once', backoff: 0, sessionTimeout: 1000 }
  const consumer = await store.consume('in-*', options, async ({ streamId, data }, tx) => {
    await store.within(tx).append('copy-' + streamId, { type: 'copied', data })
  })
  setInterval(() => console.log(consumer.slots.length), 20)
  await consumer.closed`

describeWithServer(
  'three processes of a group that shares the streams',
  () => {
    const server = givenServer()

    it('killed and joined handle each event once, the events of a stream in order', async () => {
      const domain = server.domain()
      const log = await connectLog({ url: server.url, domain })
      onTestFinished(() => log.close())
      const store = new EventStore(log)
      const running = new Map<ChildProcess, number>()
      const start = (): void => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url, domain], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        onTestFinished(() => void child.kill('SIGKILL'))
        running.set(child, 0)
        createInterface({ input: child.stdout! }).on('line', line => running.has(child) && running.set(child, +line))
      }
      for (const _ of [1, 2, 3]) start()
      const busy = (): number => [...running.values()].filter(slots => slots > 1).length
      for (let round = 0; round < 3; round++) {
        await vi.waitFor(() => expect(busy()).toBe(3), { timeout: 40_000, interval: 20 })
        await appendTo(store, 2 * round, 1)
        const [victim] = running.keys()
        running.delete(victim!)
        victim!.kill('SIGKILL')
        await once(victim!, 'exit')
        await appendTo(store, 2 * round + 1, 1)
        start()
      }
      await expectCopied(store, 6)
    }, 120_000)
  },
  '2.12.0',
)
