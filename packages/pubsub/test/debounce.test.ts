import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ScheduledMessage } from '../src/index.ts'
import { given, itEmbedded, runs } from './given.ts'

describe('debounced messages', () => {
  it('BullMQ#3250, #3260: deduplication keeps the first of a burst. Here the last comes, when nothing more has come for so long', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    for (const payload of [1, 2, 3]) {
      await g.pubsub.publish('t', { payload, delay: '5s', debounce: 'user-7' })
      g.clock.pass(4000)
      await g.pubsub.runMaintenance()
    }
    expect(await g.payloads('t')).toEqual([])
    expect(await g.pubsub.schedules.list()).toHaveLength(1)
    g.clock.pass(1000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([3])
    // What has come is not replaced any more.
    await g.pubsub.publish('t', { payload: 4, delay: '5s', debounce: 'user-7' })
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([3, 4])
    expect(await g.pubsub.schedules.list()).toEqual([])
  })

  it('come at a time that does not move, if that is what they are given', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const deliverAt = g.clock.time + 5000
    for (const payload of [1, 2, 3]) {
      expect((await g.pubsub.publish('t', { payload, deliverAt, debounce: 'k' })).dueAt).toBe(deliverAt)
      g.clock.pass(1000)
    }
    g.clock.pass(2000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([3])
  })

  it('have a place for each text in each topic, and beside messages with ids', async () => {
    await using g = await given()
    for (const topic of ['t', 'u']) {
      await g.pubsub.createTopic(topic)
      for (const payload of ['a1', 'b1', 'a2']) {
        await g.pubsub.publish(topic, { payload, delay: '5s', debounce: payload[0]! })
      }
      await g.pubsub.publish(topic, { payload: 'of id a', delay: '5s', messageId: 'a' })
    }
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    for (const topic of ['t', 'u']) expect((await g.payloads(topic)).toSorted()).toEqual(['a2', 'b1', 'of id a'])
  })

  itEmbedded('survive the program', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'aegis-debounce-'))
    try {
      for (const payload of [1, 2]) {
        await using g = await given({ dataDir })
        await g.pubsub.createTopic('t')
        await g.pubsub.publish('t', { payload, delay: '1h', debounce: 'k' })
      }
      await using g = await given({ dataDir })
      g.clock.pass(3_600_000)
      await g.pubsub.runMaintenance()
      expect(await g.payloads('t')).toEqual([2])
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  it('are written in a transaction with everything else, or not at all', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const later = (payload: number) => ({ payload, delay: '5s', debounce: 'k' })
    await g.pubsub.publish('t', later(1))
    const failed = g.log.transaction(async tx => {
      await g.pubsub.within(tx).publish('t', later(2))
      throw new Error('changed my mind')
    })
    await expect(failed).rejects.toThrow('changed my mind')
    expect(await g.pubsub.schedules.list()).toHaveLength(1)
    await g.log.transaction(async tx => {
      await g.pubsub.within(tx).publish('t', later(3))
      await g.pubsub.within(tx).publish('t', later(4))
    })
    await g.pubsub.publishMany('t', [later(5), later(6)])
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([6])
  })

  it('can be taken back', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const { id } = await g.pubsub.publish('t', { payload: 1, delay: '5s', debounce: 'k' })
    expect(await g.pubsub.schedules.cancel(id)).toBe(true)
    const next = await g.pubsub.publish('t', { payload: 2, delay: '5s', debounce: 'k' })
    expect(await g.pubsub.schedules.cancel(id)).toBe(false)
    expect((await g.pubsub.schedules.list()).map(({ id }) => id)).toEqual([next.id])
  })

  it('may come as fast as they like, from several programs: one comes, and of those that waited to be written not all were', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const burst = (pubsub = g.pubsub, first = 0): Promise<ScheduledMessage[]> =>
      Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          pubsub.publish('t', { payload: first + at, delay: '5s', debounce: 'k' }),
        ),
      )
    const written = await burst()
    // The first, and the last of those that waited for it.
    expect(new Set(written.map(({ id }) => id)).size).toBe(2)
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([199])
    await Promise.all([burst(g.pubsub, 1000), burst(g.another(), 2000)])
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    const [, last, ...more] = await g.payloads('t')
    expect([1199, 2199]).toContain(last)
    expect(more).toEqual([])
  })

  it('that could not be published when they were due are replaced all the same', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { maxMessageSize: 1000 })
    await g.pubsub.publish('t', { payload: 'x'.repeat(500), delay: '5s', debounce: 'k' })
    await g.pubsub.alterTopic('t', { maxMessageSize: 100 })
    g.clock.pass(5000)
    await g.pubsub.runMaintenance()
    await g.pubsub.publish('t', { payload: 'small', delay: '5s', debounce: 'k' })
    expect(await g.pubsub.schedules.list()).toHaveLength(1)
    g.clock.pass(120_000)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual(['small'])
  })

  it('that mean nothing are refused', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const wrong: readonly [object, string][] = [
      [{ debounce: 'k' }, 'debounce goes with delay or deliverAt'],
      [{ debounce: 'k', delay: 1, messageId: 'k' }, 'give messageId or debounce, not both'],
      [{ debounce: '', delay: 1 }, 'debounce is ""'],
      [{ debounce: 7, delay: 1 }, 'debounce is 7'],
    ]
    for (const [fields, message] of wrong) {
      await expect(g.pubsub.publish('t', { payload: 1, ...fields })).rejects.toMatchObject({
        code: 'MESSAGE_INVALID',
        message: expect.stringContaining(message),
      })
    }
  })

  it('whatever happens, the last that was published since one came is the one that comes', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('publish' as const), name: fc.constantFrom('a', 'b'), program: fc.nat(1) }),
      fc.record({ do: fc.constant('pass' as const), milliseconds: fc.constantFrom(1, 1999, 2000, 3_600_000) }),
      fc.record({ do: fc.constantFrom('maintain' as const, 'cancel' as const), program: fc.nat(1) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        await using g = await given()
        await g.pubsub.createTopic('t')
        const programs = [g.pubsub, g.another()]
        const waiting = new Map<string, { readonly payload: string; readonly dueAt: number; readonly id: string }>()
        const expected: string[] = []
        const move = (): void => {
          const due = [...waiting]
            .filter(([, { dueAt }]) => dueAt <= g.clock.time)
            .sort((a, b) => a[1].dueAt - b[1].dueAt)
          for (const [name, { payload }] of due) {
            expected.push(payload)
            waiting.delete(name)
          }
        }
        let count = 0
        for (const current of steps) {
          // Timers of the programs move what is due as well: before each step it is there.
          await g.pubsub.runMaintenance()
          move()
          if (current.do === 'pass') g.clock.pass(current.milliseconds)
          if (current.do === 'maintain') await programs[current.program]!.runMaintenance()
          if (current.do === 'publish') {
            const payload = `${current.name}${count++}`
            const message = { payload, delay: 2000, debounce: current.name }
            const { id, dueAt } = await programs[current.program]!.publish('t', message)
            waiting.set(current.name, { payload, dueAt, id })
          }
          if (current.do === 'cancel') {
            for (const [name, { id }] of waiting) {
              expect(await programs[current.program]!.schedules.cancel(id)).toBe(true)
              waiting.delete(name)
              break
            }
          }
        }
        g.clock.pass(2000)
        await g.pubsub.runMaintenance()
        move()
        expect((await g.payloads('t')).toSorted()).toEqual(expected.toSorted())
        expect(await g.pubsub.schedules.list()).toEqual([])
      }),
      runs(100),
    )
  }, 60_000)
})
