import { openLog } from '@aegis/log'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PubSub } from '../src/index.ts'

describe('publishing', () => {
  it('gives each message the partition of its key and offsets in the order of publishing', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    await pubsub.createTopic('t', { partitions: 8 })
    const results = await Promise.all([...'abcabc'].map(key => pubsub.publish('t', { key, payload: key })))
    const partitions = new Map([...'abcabc'].map((key, at) => [key, results[at]!.partition]))
    results.forEach((result, at) => {
      expect(result).toMatchObject({ topic: 't', offset: at, partition: partitions.get('abcabc'[at]!) })
    })
  })

  it('publishes all of a list or nothing, in one commit', async () => {
    await using log = await openLog({ memory: true })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('t', { maxMessageSize: 100 })
    const list = [{ payload: 'fits' }, { payload: 'x'.repeat(200) }]
    await expect(pubsub.publishMany('t', list)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    expect(await log.endOffset('t')).toBe(0)
    expect(await pubsub.publishMany('t', [])).toEqual([])
    expect((await pubsub.publishMany('t', [{ payload: 1 }, { payload: 2 }])).map(({ offset }) => offset)).toEqual([
      0, 1,
    ])
  })

  it('becomes visible with the transaction, or not at all', async () => {
    await using log = await openLog({ memory: true })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('t')
    const failing = log.transaction(tx => {
      pubsub.within(tx).publish('t', { payload: 'lost' })
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    const receipt = await log.transaction(tx => pubsub.within(tx).publishMany('t', [{ payload: 1 }, { payload: 2 }]))
    expect(receipt.positions.map(({ offset }) => offset)).toEqual([0, 1])
    expect(await log.endOffset('t')).toBe(2)
  })

  it('says what is wrong with a message and publishes nothing', async () => {
    await using log = await openLog({ memory: true })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('t')
    const hostile: unknown[] = [
      null,
      'text',
      { payload: 1, paylod: 2 },
      { payload: 1, key: 5 },
      { payload: 1, key: '\ud800' },
      { payload: 1, headers: { a: 1 } },
      { tombstone: true },
    ]
    for (const message of hostile) {
      await expect(pubsub.publish('t', message as never)).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
    }
    await expect(pubsub.publish('t', { payload: 1, partition: 1 })).rejects.toMatchObject({ code: 'PARTITION_UNKNOWN' })
    await expect(pubsub.publish('t', { payload: 1, timestamp: 0.5 })).rejects.toMatchObject({ code: 'LOG_INVALID' })
    await expect(pubsub.publish('none', { payload: 1 })).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(pubsub.publish('$events', { payload: 1 })).rejects.toMatchObject({ code: 'TOPIC_NAME_INVALID' })
    expect(await log.endOffset('t')).toBe(0)
  })

  it('gives back any JSON payload, key and headers as they were', async () => {
    const text = fc.string({ unit: 'grapheme' })
    const message = fc.record({
      payload: fc.jsonValue(),
      key: text,
      headers: fc.dictionary(
        fc.oneof(
          text.filter(name => !name.startsWith('$')),
          fc.constant('__proto__'),
        ),
        text,
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 20 }), async messages => {
        await using pubsub = await PubSub.open({ memory: true })
        await pubsub.createTopic('t')
        await pubsub.publishMany('t', messages)
        let at = 0
        for await (const { payload, key, headers } of await pubsub.subscribe('t', { from: 'earliest' })) {
          const expected = messages[at]!
          expect(JSON.stringify(payload)).toEqual(JSON.stringify(expected.payload))
          expect(key).toBe(expected.key)
          expect(Object.entries(headers).sort()).toEqual(Object.entries(expected.headers).sort())
          if (++at === messages.length) break
        }
      }),
      { numRuns: 50 },
    )
  })

  it('changes and deletes topics', async () => {
    await using pubsub = await PubSub.open({ memory: true })
    await pubsub.createTopic('t')
    expect((await pubsub.alterTopic('t', { partitions: 3, retention: '1d' })).partitions).toBe(3)
    await pubsub.deleteTopic('t')
    await expect(pubsub.publish('t', { payload: 1 })).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})
