import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '@aegis/log'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, PubSub } from '../src/index.ts'
import { given, itEmbedded, runs } from './given.ts'

describe('a message for later', () => {
  it('comes into its topic when its time has come, in the order of times', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { partitions: 2 })
    const late = await g.pubsub.publish('t', { payload: 'late', delay: '10m', key: 'k', headers: { a: 'b' } })
    const soon = await g.pubsub.publish('t', {
      payload: 'soon',
      deliverAt: new Date(g.clock.time + 1000),
      partition: 1,
    })
    expect([late.dueAt, soon.dueAt]).toEqual([g.clock.time + 600_000, g.clock.time + 1000])
    await g.pubsub.publish('t', { payload: 'now' })
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual(['now'])
    expect((await g.pubsub.schedules.list()).map(({ id }) => id)).toEqual([soon.id, late.id])
    g.clock.pass(1000)
    await g.pubsub.runMaintenance()
    g.clock.pass(599_000)
    await g.pubsub.runMaintenance()
    const [, second, third] = await g.pubsub.history('t')
    expect(second).toMatchObject({ payload: 'soon', partition: 1, timestamp: soon.dueAt })
    expect(third).toMatchObject({ payload: 'late', key: 'k', headers: { a: 'b' }, timestamp: late.dueAt })
    expect(await g.pubsub.schedules.list()).toEqual([])
  })

  it('is delivered to those who wait, without anybody asking', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const subscription = await g.pubsub.subscribe('t')
    await g.pubsub.publish('t', { payload: 'due', deliverAt: g.clock.time })
    for await (const { payload } of subscription) {
      expect(payload).toBe('due')
      break
    }
  })

  itEmbedded(
    'delayed retry without a sleeping consumer (kafkajs#725): it survives the program, and comes once',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'aegis-delayed-'))
      try {
        {
          await using g = await given({ dataDir })
          await g.pubsub.createTopic('t')
          await g.pubsub.publish('t', { payload: 'later', delay: '1h' })
        }
        await using g = await given({ dataDir })
        await g.pubsub.runMaintenance()
        expect(await g.payloads('t')).toEqual([])
        g.clock.pass(3_600_000)
        await g.another().runMaintenance()
        await g.pubsub.runMaintenance()
        expect(await g.payloads('t')).toEqual(['later'])
      } finally {
        await rm(dataDir, { recursive: true, force: true })
      }
    },
  )

  it('is not read again and again until it is due: of what is to come later one entry for each hour is', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    for (let day = 0; day < 3; day++) {
      await g.pubsub.publishMany(
        't',
        Array.from({ length: 20 }, (_, payload) => ({ payload, delay: day * 86_400_000 + 60_000 })),
      )
    }
    let entries = 0
    const counting: Log = new Proxy(g.log, {
      get(target, name) {
        if (name === 'scanState') {
          return async function* (...given: Parameters<Log['scanState']>) {
            for await (const entry of target.scanState(...given)) {
              entries++
              yield entry
            }
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const other = new PubSub(counting)
    const readBy = async (): Promise<number> => {
      entries = 0
      await other.runMaintenance()
      return entries
    }
    await readBy()
    g.clock.pass(3_600_000)
    await readBy()
    expect(await g.log.endOffset('t')).toBeGreaterThan(0)
    // Two hours are left, of two days.
    expect(await readBy()).toBeLessThanOrEqual(3)
    g.clock.pass(3 * 86_400_000)
    await readBy()
    expect((await g.payloads('t')).length).toBe(60)
    expect(await readBy()).toBe(0)
    await other.close()
  })

  it('comes once, however many processes move what is due', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { partitions: 3 })
    const payloads = Array.from({ length: 250 }, (_, at) => at)
    await g.pubsub.publishMany(
      't',
      payloads.map(payload => ({ payload, delay: 1000, partition: 0 })),
    )
    g.clock.pass(1000)
    await Promise.all([g.pubsub, g.another(), g.another()].map(pubsub => pubsub.runMaintenance()))
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual(payloads)
  })

  it('is scheduled with everything else of a transaction, or not at all', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const remind = (fail: boolean) =>
      g.log.transaction(tx => {
        const publishing = g.pubsub.within(tx)
        publishing.publish('t', { payload: 'order' })
        const reminder = publishing.publish('t', { payload: 'reminder', delay: '1d' })
        if (fail) throw new Error('no order')
        return reminder
      })
    await expect(remind(true)).rejects.toThrow('no order')
    expect(await g.pubsub.schedules.list()).toEqual([])
    const reminder = await remind(false)
    expect(await g.pubsub.schedules.list()).toEqual([reminder])
  })

  it('can be taken back until then', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const kept = await g.pubsub.publish('t', { payload: 'kept', delay: 10 })
    const taken = await g.pubsub.publish('t', { payload: 'taken', delay: 10, messageId: 'x' })
    expect(await g.pubsub.schedules.cancel(taken.id)).toBe(true)
    expect(await g.pubsub.schedules.cancel(taken.id)).toBe(false)
    expect(await g.pubsub.schedules.cancel('$nonsense')).toBe(false)
    g.clock.pass(10)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual(['kept'])
    expect(await g.pubsub.schedules.cancel(kept.id)).toBe(false)
    // It was taken back with its id.
    expect(await g.pubsub.publish('t', { payload: 'new', messageId: 'x' })).not.toHaveProperty('duplicate')
  })

  it('with a messageId is scheduled once, and not published again by hand', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const first = await g.pubsub.publish('t', { payload: 1, delay: 1000, messageId: 'x' })
    g.clock.pass(500)
    expect(await g.pubsub.publish('t', { payload: 2, delay: 1000, messageId: 'x' })).toEqual(first)
    g.clock.pass(500)
    await g.pubsub.runMaintenance()
    expect(await g.pubsub.publish('t', { payload: 3, messageId: 'x' })).toMatchObject({ duplicate: true })
    await g.pubsub.publish('t', { payload: 4, delay: 0, messageId: 'x' })
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([1])
  })

  it('goes with its topic, and does not come into another of the same name', async () => {
    await using g = await given()
    for (const topic of ['t', 'u']) await g.pubsub.createTopic(topic)
    await g.pubsub.publish('t', { payload: 'old', delay: 10 })
    await g.pubsub.publish('u', { payload: 'other', delay: 10 })
    await g.pubsub.deleteTopic('t')
    await g.pubsub.createTopic('t')
    // Deleted by another way, such as the log itself: then it is left out when it is due.
    await g.pubsub.publish('t', { payload: 'gone', delay: 10 })
    await g.log.deleteTopic('t')
    g.clock.pass(10)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('u')).toEqual(['other'])
    expect(await g.pubsub.schedules.list()).toEqual([])
  })

  it('that cannot be published any more does not hold up the others, and comes when it can', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { maxMessageSize: 1000 })
    await g.pubsub.publish('t', { payload: 'x'.repeat(500), delay: 10 })
    await g.pubsub.publish('t', { payload: 'small', delay: 20 })
    await g.pubsub.alterTopic('t', { maxMessageSize: 100 })
    const warned = new Promise<Error>(resolve => process.once('warning', resolve))
    g.clock.pass(20)
    await g.pubsub.runMaintenance()
    expect((await warned).message).toContain('its maxMessageSize is 100')
    expect(await g.payloads('t')).toEqual(['small'])
    await g.pubsub.alterTopic('t', { maxMessageSize: 1000 })
    g.clock.pass(60_000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toHaveLength(2)
  })

  it('is refused at once for what would be wrong with it later', async () => {
    await using g = await given()
    const orders = defineTopic('orders', { schema: z.object({ id: z.string() }), maxMessageSize: 100 })
    await g.pubsub.createTopic(orders)
    const refused = (message: object): Promise<unknown> => g.pubsub.publish(orders, message as never)
    const payload = { id: 'a' }
    await expect(refused({ payload: { id: 1 }, delay: 1 })).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    await expect(refused({ payload: { id: 'x'.repeat(100) }, delay: 1 })).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
    })
    await expect(refused({ payload, delay: 1, partition: 1 })).rejects.toMatchObject({ code: 'PARTITION_UNKNOWN' })
    for (const wrong of [
      { delay: -1 },
      { delay: 'soon' },
      { deliverAt: new Date(Number.NaN) },
      { deliverAt: 1.5 },
      { delay: 1, deliverAt: 1 },
    ]) {
      await expect(refused({ payload, ...wrong })).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
    }
    const mixed = [{ payload }, { payload, delay: 1 }]
    await expect(g.pubsub.publishMany(orders, mixed as never)).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
    await expect(g.pubsub.publish('none', { payload, delay: 1 })).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect(await g.pubsub.schedules.list()).toEqual([])
  })

  it('comes once and never early, whatever is scheduled, cancelled, restarted and moved by whom', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('schedule' as const), delay: fc.integer({ min: 0, max: 50 }) }),
      fc.record({
        do: fc.constant('pass' as const),
        time: fc.integer({ min: 0, max: 40 }),
        by: fc.integer({ min: 0, max: 1 }),
      }),
      fc.record({ do: fc.constant('cancel' as const), which: fc.nat(20) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        await using g = await given()
        await g.pubsub.createTopic('t')
        const programs = [g.pubsub, g.another()]
        const waiting: { payload: number; id: string; dueAt: number }[] = []
        const expected: number[] = []
        for (const [at, todo] of steps.entries()) {
          if (todo.do === 'schedule') {
            const { id, dueAt } = await g.pubsub.publish('t', { payload: at, delay: todo.delay })
            waiting.push({ payload: at, id, dueAt })
          } else if (todo.do === 'cancel') {
            const [cancelled] = waiting.splice(todo.which % Math.max(waiting.length, 1), 1)
            // What is due may have been moved by itself.
            if (cancelled === undefined) continue
            if (!(await g.pubsub.schedules.cancel(cancelled.id))) {
              expect(cancelled.dueAt).toBeLessThanOrEqual(g.clock.time)
              expected.push(cancelled.payload)
            }
          } else {
            g.clock.pass(todo.time)
            await programs[todo.by]!.runMaintenance()
            for (const { payload } of waiting.filter(({ dueAt }) => dueAt <= g.clock.time)) expected.push(payload)
            waiting.splice(0, Infinity, ...waiting.filter(({ dueAt }) => dueAt > g.clock.time))
            expect((await g.payloads('t')).sort()).toEqual([...expected].sort())
          }
        }
      }),
      runs(50),
    )
  })
})
