import { type Log, openLog } from '@aegis/log'
import { from, interval, map, Observable, of, take, throwError } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTopic, PubSub } from '../src/index.ts'
import { given } from './given.ts'

/** A log that tells how many bytes of values were on their way at most, and makes appends wait until it is let go. */
function watched(log: Log): { readonly log: Log; most(): number; hold(): () => void } {
  let bytes = 0
  let most = 0
  let held: Promise<void> | undefined
  const proxy = new Proxy(log, {
    get(target, property) {
      if (property === 'appendOne') {
        return async (topic: string, record: { value: string }) => {
          bytes += record.value.length
          most = Math.max(most, bytes)
          await held
          try {
            return await target.appendOne(topic, record)
          } finally {
            bytes -= record.value.length
          }
        }
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return {
    log: proxy,
    most: () => most,
    hold() {
      let release: () => void = () => undefined
      held = new Promise(resolve => {
        release = resolve
      })
      return release
    },
  }
}

describe('a limit of what is on its way to the log', () => {
  it('back-pressure that stalls or overruns memory (platformatic/kafka#254, #266): waiting keeps below it, in order, to the end', async () => {
    await using log = await openLog({ memory: true })
    const watch = watched(log)
    await using pubsub = new PubSub(watch.log, { publishLimit: { bytes: 1000 } })
    await pubsub.createTopic('t')
    const payloads = Array.from({ length: 500 }, (_, at) => `${at}`.padStart(100, '.'))
    await Promise.all(payloads.map(payload => pubsub.publish('t', { payload })))
    expect((await pubsub.history('t', { limit: 1000 })).map(({ payload }) => payload)).toEqual(payloads)
    expect(watch.most()).toBeLessThanOrEqual(1000)
    // Larger than the limit it goes alone.
    await pubsub.publish('t', { payload: 'x'.repeat(2000) })
  })

  it('or fails, so that a program that does not await cannot fill the memory', async () => {
    await using log = await openLog({ memory: true })
    const watch = watched(log)
    await using pubsub = new PubSub(watch.log, { publishLimit: { bytes: '1KB', whenFull: 'fail' } })
    await pubsub.createTopic('t')
    const release = watch.hold()
    const payload = 'x'.repeat(400)
    const published = [1, 2].map(() => pubsub.publish('t', { payload }))
    await expect(pubsub.publish('t', { payload })).rejects.toMatchObject({
      code: 'PUBLISH_LIMIT',
      details: { topic: 't', limit: 1000 },
    })
    release()
    await Promise.all(published)
    await pubsub.publish('t', { payload })
    expect(await log.endOffset('t')).toBe(3)
  })

  it('makes room again when a message is refused', async () => {
    await using log = await openLog({ memory: true })
    await using pubsub = new PubSub(log, { publishLimit: { bytes: 500 } })
    await pubsub.createTopic('t', { maxMessageSize: 100 })
    const tries = Array.from({ length: 10 }, () => pubsub.publish('t', { payload: 'x'.repeat(200) }))
    for (const result of await Promise.allSettled(tries)) expect(result.status).toBe('rejected')
    await pubsub.publishMany('t', [{ payload: 1 }, { payload: 2 }])
  })

  it('holds for lists, several topics, ids and delayed messages as well', async () => {
    await using log = await openLog({ memory: true })
    await using pubsub = new PubSub(log, { publishLimit: { bytes: 150, whenFull: 'fail' } })
    await pubsub.createTopic('t')
    await pubsub.createTopic('u')
    const payload = 'x'.repeat(50)
    const ways = [
      () => pubsub.publishMany('t', [{ payload }, { payload }]),
      () => pubsub.publishTo(['t', { payload }], ['u', { payload }]),
      () => pubsub.publishMany('t', [{ payload, messageId: '1' }, { payload }]),
      () => pubsub.publishMany('t', [{ payload, delay: '1h' } as const, { payload, delay: '2h' } as const]),
    ]
    for (const publish of ways) {
      const first = publish()
      // Those that first ask for their topic ask before they are counted.
      await Promise.resolve()
      await Promise.resolve()
      await expect(publish()).rejects.toMatchObject({ code: 'PUBLISH_LIMIT', details: { limit: 150 } })
      await first
    }
  })

  it('is checked when it is given', async () => {
    await using log = await openLog({ memory: true })
    for (const publishLimit of [{ bytes: 0 }, { bytes: 'much' }, { bytes: 1, whenFull: 'explode' }]) {
      expect(() => new PubSub(log, { publishLimit: publishLimit as never })).toThrow(
        expect.objectContaining({ code: 'PUBSUB_INVALID' }),
      )
      const opening = PubSub.open({ memory: true, publishLimit: publishLimit as never })
      await expect(opening).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    }
  })
})

describe('publishing what a source gives', () => {
  it('takes no more of it than can be published', async () => {
    await using log = await openLog({ memory: true })
    const watch = watched(log)
    const pubsub = new PubSub(watch.log)
    await pubsub.createTopic('t')
    let asked = 0
    async function* source() {
      for (; asked < 100; asked++) yield { payload: asked }
    }
    const release = watch.hold()
    const publishing = pubsub.publishFrom('t', source(), { inFlight: 5 })
    while (watch.most() === 0) await Promise.resolve()
    for (let turn = 0; turn < 1000; turn++) await Promise.resolve()
    expect(asked).toBeLessThanOrEqual(5)
    release()
    expect(await publishing).toBe(100)
    expect(await log.endOffset('t')).toBe(100)
  })

  it('takes lists and Observables, typed as the topic', async () => {
    await using g = await given()
    const numbers = defineTopic('numbers', { schema: z.number() })
    await g.pubsub.createTopic(numbers)
    expect(await g.pubsub.publishFrom(numbers, [{ payload: 1 }, { payload: 2 }])).toBe(2)
    expect(await g.pubsub.publishFrom(numbers, from([3, 4]).pipe(map(payload => ({ payload }))))).toBe(2)
    const timed = interval(1).pipe(
      take(3),
      map(payload => ({ payload: payload + 5 })),
    )
    expect(await g.pubsub.publishFrom(numbers, timed)).toBe(3)
    expect(await g.payloads('numbers')).toEqual([1, 2, 3, 4, 5, 6, 7])
    // @ts-expect-error text is no number
    await expect(g.pubsub.publishFrom(numbers, of({ payload: 'x' }))).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  })

  it('ends with the first failure, leaves what was published, and lets go of the source', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    let ended = false
    function* source() {
      try {
        for (let payload = 0; ; payload++) yield { payload: payload === 3 ? undefined : payload }
      } finally {
        ended = true
      }
    }
    await expect(g.pubsub.publishFrom('t', source(), { inFlight: 1 })).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
    })
    expect([ended, await g.payloads('t')]).toEqual([true, [0, 1, 2]])
    await expect(
      g.pubsub.publishFrom(
        't',
        throwError(() => new Error('sensor broken')),
      ),
    ).rejects.toThrow('sensor broken')
  })

  it('unsubscribes from an Observable that is faster than the log for too long, and when it is aborted', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    let subscribed = 0
    const endless = new Observable<{ payload: number }>(subscriber => {
      subscribed++
      for (let payload = 0; payload < 2000 && !subscriber.closed; payload++) subscriber.next({ payload })
      return () => subscribed--
    })
    await expect(g.pubsub.publishFrom('t', endless, { buffer: 1000 })).rejects.toMatchObject({ code: 'PUBLISH_LIMIT' })
    expect(subscribed).toBe(0)
    const controller = new AbortController()
    const quiet = new Observable<{ payload: number }>(() => {
      subscribed++
      queueMicrotask(() => controller.abort(new Error('enough')))
      return () => subscribed--
    })
    await expect(g.pubsub.publishFrom('t', quiet, { signal: controller.signal })).rejects.toThrow('enough')
    expect(subscribed).toBe(0)
    const stopping = new AbortController()
    async function* silent() {
      yield { payload: 1 }
      stopping.abort(new Error('no more'))
      await new Promise(() => undefined)
    }
    await expect(g.pubsub.publishFrom('t', silent(), { signal: stopping.signal })).rejects.toThrow('no more')
    for (const options of [{ inFlight: 0 }, { buffer: 1.5 }]) {
      await expect(g.pubsub.publishFrom('t', from([]), options)).rejects.toMatchObject({ code: 'PUBSUB_INVALID' })
    }
  })
})
