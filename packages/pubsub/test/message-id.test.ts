import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { given, itEmbedded, runs } from './given.ts'

describe('a message with an id', () => {
  it('is stored once, and a repeat is acknowledged with the place of the first', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { partitions: 4 })
    const first = await g.pubsub.publish('t', { messageId: 'a', payload: 1 })
    await g.pubsub.publishMany('t', [{ payload: 'x' }, { payload: 'y' }, { messageId: 'b', payload: 2 }])
    expect(first).not.toHaveProperty('duplicate')
    expect(await g.pubsub.publish('t', { messageId: 'a', payload: 'other' })).toEqual({ ...first, duplicate: true })
    expect(await g.payloads('t')).toEqual([1, 'x', 'y', 2])
  })

  it('is stored once, however many publish it at the same time', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { partitions: 3 })
    const other = g.another()
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? other : g.pubsub).publish('t', { messageId: 'a', payload: at })),
    )
    expect(new Set(results.map(({ offset }) => offset)).size).toBe(1)
    expect(results.filter(({ duplicate }) => duplicate !== true)).toHaveLength(1)
    expect(await g.payloads('t')).toHaveLength(1)
  })

  it('is known in a list with itself, and in its own topic only', async () => {
    await using g = await given()
    for (const topic of ['t', 'u']) await g.pubsub.createTopic(topic)
    const results = await g.pubsub.publishMany('t', [
      { messageId: 'a', payload: 1 },
      { payload: 2 },
      { messageId: 'a', payload: 3 },
    ])
    expect(results.map(({ duplicate }) => duplicate)).toEqual([undefined, undefined, true])
    expect(results[2]).toEqual({ ...results[0], duplicate: true })
    expect(await g.pubsub.publish('u', { messageId: 'a', payload: 4 })).not.toHaveProperty('duplicate')
    expect([await g.payloads('t'), await g.payloads('u')]).toEqual([[1, 2], [4]])
  })

  it('is not remembered when its transaction fails, and takes its part in one that commits', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const failing = g.log.transaction(async tx => {
      await g.pubsub.within(tx).publish('t', { messageId: 'a', payload: 'lost' })
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    const receipts = []
    for (const payload of ['kept', 'repeated']) {
      receipts.push(await g.log.transaction(tx => g.pubsub.within(tx).publish('t', { messageId: 'a', payload })))
    }
    const [first, second] = receipts.map(({ positions }) => positions[0]!.offset)
    expect(second).toBe(first)
    expect(await g.payloads('t')).toEqual(['kept'])
  })

  itEmbedded(
    'is remembered by a later program: not a window of minutes, and not for the session (JetStream, Pulsar)',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'aegis-ids-'))
      try {
        for (const repeat of [false, true]) {
          await using g = await given({ dataDir })
          g.clock.pass(repeat ? 400 * 86_400_000 : 0)
          await g.pubsub.createTopic('t')
          const { duplicate } = await g.pubsub.publish('t', { messageId: 'a', payload: 1 })
          expect(duplicate).toBe(repeat ? true : undefined)
          expect(await g.payloads('t')).toEqual([1])
        }
      } finally {
        await rm(dataDir, { recursive: true, force: true })
      }
    },
  )

  itEmbedded('is forgotten with its message: not before, and without leaving anything behind', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t', { retention: '1h' })
    const ids = Array.from({ length: 50 }, (_, at) => `id-${at}`)
    for (const messageId of ids) await g.pubsub.publish('t', { messageId, payload: messageId })
    const remembered = async (): Promise<number> => {
      let count = 0
      for (let slice = 0; slice < 64; slice++) {
        for await (const _ of g.log.scanState(`$message-ids.${slice}`)) count++
      }
      return count
    }
    g.clock.pass(3_500_000)
    await g.log.runMaintenance()
    await g.pubsub.runMaintenance()
    expect(await remembered()).toBe(50)
    expect(await g.pubsub.publish('t', { messageId: 'id-7', payload: 'again' })).toHaveProperty('duplicate')
    g.clock.pass(200_000)
    await g.log.runMaintenance()
    // Known still, but there is nothing to repeat any more.
    expect(await g.pubsub.publish('t', { messageId: 'id-7', payload: 'again' })).not.toHaveProperty('duplicate')
    await g.pubsub.runMaintenance()
    expect(await remembered()).toBe(1)
    expect(await g.payloads('t')).toEqual(['again'])
  })

  it('of a topic that was deleted is forgotten, also when there is another of this name', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await g.pubsub.publish('t', { messageId: 'a', payload: 1 })
    await g.pubsub.deleteTopic('t')
    await g.pubsub.createTopic('t')
    expect(await g.pubsub.publish('t', { messageId: 'a', payload: 2 })).not.toHaveProperty('duplicate')
    await g.pubsub.runMaintenance()
    expect(await g.pubsub.publish('t', { messageId: 'a', payload: 3 })).toHaveProperty('duplicate')
  })

  it('is text of a sensible length', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    for (const messageId of ['', 'x'.repeat(513), '\ud800', 5, {}]) {
      await expect(g.pubsub.publish('t', { messageId: messageId as never, payload: 1 })).rejects.toMatchObject({
        code: 'MESSAGE_INVALID',
      })
    }
    for (const messageId of ['__proto__', 'a\r\nb', '🐘', 'x'.repeat(512)]) {
      await g.pubsub.publish('t', { messageId, payload: messageId })
      expect(await g.pubsub.publish('t', { messageId, payload: 0 })).toHaveProperty('duplicate')
    }
  })

  it('behaves as a set, whatever is published, repeated and restarted', async () => {
    const step = fc.record({
      ids: fc.array(fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }), { minLength: 1, maxLength: 4 }),
      key: fc.option(fc.constantFrom('k', 'l'), { nil: undefined }),
      other: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async steps => {
        await using g = await given()
        await g.pubsub.createTopic('t', { partitions: 3 })
        const programs = [g.pubsub, g.another()]
        const places = new Map<number, number>()
        const stored: number[] = []
        let count = 0
        for (const { ids, key, other } of steps) {
          const messages = ids.map(id => ({
            payload: count++,
            ...(id !== undefined && { messageId: `m${id}` }),
            ...(key !== undefined && { key }),
          }))
          const results = await programs[Number(other)]!.publishMany('t', messages)
          ids.forEach((id, at) => {
            const known = id === undefined ? undefined : places.get(id)
            const { offset, duplicate } = results[at]!
            expect(duplicate ?? false).toBe(known !== undefined)
            if (known === undefined) stored.push(messages[at]!.payload)
            else expect(offset).toBe(known)
            if (id !== undefined) places.set(id, offset)
          })
        }
        // Of one call the order is kept within a partition; over all of them the log of one process keeps it, too.
        expect((await g.payloads('t')).sort()).toEqual(stored.sort())
      }),
      runs(60),
    )
  })
})
