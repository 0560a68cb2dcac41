import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, openLog } from '@aegis/log'
import { describe, expect, it } from 'vitest'
import { everything, publish, subscribe, take } from './items.ts'

const earliest = { groupId: 'g', from: 'earliest', backoff: 0 } as const

async function deadLetters(log: Log): Promise<Record<string, string>[]> {
  const { records } = await log.read('t.dead', 0, { from: 0 })
  return records.map(({ value, headers }) => ({
    value: Buffer.from(value!).toString(),
    ...Object.fromEntries(headers.map(header => [header.key, Buffer.from(header.value!).toString()])),
  }))
}

describe('a message that was refused', () => {
  it('is delivered again with one more attempt, and goes to the dead letters after the last', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    const attempts: string[] = []
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 3 })
    for await (const item of subscription) {
      attempts.push(`${item.text}${item.attempts}`)
      if (item.text === 'a') item.nack({ reason: 'too bad' })
      else item.ack()
      if (attempts.length === 4) break
    }
    expect(attempts.sort()).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(await deadLetters(log)).toEqual([
      {
        value: 'a',
        'dead-letter-group': 'g',
        'dead-letter-topic': 't',
        'dead-letter-partition': '0',
        'dead-letter-offset': '0',
        'dead-letter-attempts': '3',
        'dead-letter-reason': 'too bad',
      },
    ])
    expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  })

  it('comes to the dead letters in the order in which messages were given up, however long making their topic takes', async () => {
    await using log = await openLog({ memory: true })
    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    }
    // It is there for others before the one who made it hears of it, as with a server.
    const slow = new Proxy(log, {
      get(target, name) {
        if (name === 'createTopic') {
          return async (...given: Parameters<Log['createTopic']>) => {
            const made = await target.createTopic(...given)
            await turns()
            return made
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await log.createTopic('t')
    const texts = Array.from({ length: 6 }, (_, at) => String(at))
    await publish(log, ...texts)
    const subscription = await subscribe(slow, { ...earliest, maxAttempts: 1 })
    let seen = 0
    for await (const item of subscription) {
      item.nack()
      await new Promise(resolve => setImmediate(resolve))
      if (++seen === texts.length) break
    }
    expect(await everything(log, 't.dead')).toEqual(texts)
  })

  it('keeps its attempts over a restart', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
    const seen: number[] = []
    for (let round = 0; round < 3; round++) {
      const log = await openLog({ dataDir })
      await log.createTopic('t')
      if (round === 0) await publish(log, 'a')
      await take(await subscribe(log, earliest), 1, item => {
        seen.push(item.attempts)
        item.nack({ delay: 0 })
      })
      await log.close()
    }
    expect(seen).toEqual([1, 2, 3])
    await rm(dataDir, { recursive: true })
  })

  it('is acknowledged and dead in one commit, in a handler too, with the handler’s error as the reason', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'bad', 'good')
    const subscription = await subscribe(log, { ...earliest, maxAttempts: 2 })
    const seen: string[] = []
    const stop = new Promise<void>(resolve => subscription.onClose(resolve))
    const running = subscription.run(({ text, attempts }) => {
      seen.push(`${text}${attempts}`)
      if (text === 'bad') throw new TypeError('cannot')
    })
    await expect.poll(() => log.listTopics().then(topics => topics.length)).toBe(2)
    await expect.poll(() => log.endOffset('t.dead')).toBe(1)
    await subscription.close()
    await Promise.all([running, stop])
    expect(seen.sort()).toEqual(['bad1', 'bad2', 'good1'])
    expect((await deadLetters(log))[0]).toMatchObject({ 'dead-letter-reason': 'TypeError: cannot', value: 'bad' })
    expect((await log.committed('g', 't', 0))?.offset).toBe(2)
  })

  it('ends a subscription without a group, or is left out', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'b')
    const options = { from: 'earliest', backoff: 0, maxAttempts: 2 } as const
    const refuseA = (item: { text: string; nack(): void }) => item.text === 'a' && item.nack()
    await expect(take(await subscribe(log, options), 4, refuseA)).rejects.toMatchObject({ code: 'ATTEMPTS_EXHAUSTED' })
    const texts = await take(await subscribe(log, { ...options, onError: 'skip' }), 3, refuseA)
    expect(texts.sort()).toEqual(['a', 'a', 'b'])
  })

  it('waits as long as it was told, while others go on', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'slow', 'a', 'b')
    const subscription = await subscribe(log, { groupId: 'g', from: 'earliest', backoff: '1h' })
    const texts = await take(subscription, 3, item => (item.text === 'slow' ? item.nack() : item.ack()))
    expect(texts).toEqual(['slow', 'a', 'b'])
    // Its time is kept with the position: the next member does not get it either.
    await publish(log, 'c')
    expect(await take(await subscribe(log, { groupId: 'g' }), 1)).toEqual(['c'])
  })
})

describe('a message that cannot be read', () => {
  it('goes to the dead letters of the group as it is, and the rest goes on', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'a', 'unreadable', 'b')
    expect(await take(await subscribe(log, earliest), 2, item => item.ack())).toEqual(['a', 'b'])
    expect((await deadLetters(log))[0]).toMatchObject({
      value: 'unreadable',
      'dead-letter-reason': 'Error: not readable',
      'dead-letter-attempts': '1',
    })
    expect((await log.committed('g', 't', 0))?.offset).toBe(3)
  })
})

describe('a message that ends every process which gets it', () => {
  it('goes to the dead letters when deliveries are counted', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'deadly', 'good')
    for (let round = 0; round < 2; round++) await take(await subscribe(log, { ...earliest, maxAttempts: 2 }), 1)
    expect(await take(await subscribe(log, { ...earliest, maxAttempts: 2 }), 1, item => item.ack())).toEqual(['good'])
    expect(await everything(log, 't.dead')).toEqual(['deadly'])
  })
})

describe('nack() in the handler of run', () => {
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    it(`${delivery}: counts as a failed attempt, in order, and at last goes to the dead letters with its reason`, async () => {
      await using log = await openLog({ memory: true })
      await log.createTopic('t')
      await publish(log, 'a', 'bad', 'b')
      const seen: string[] = []
      const subscription = await subscribe(log, { ...earliest, delivery, maxAttempts: 3 })
      await subscription.run(
        ({ text, attempts, nack }) => {
          seen.push(`${text}${attempts}`)
          if (text === 'a' && attempts === 1) nack()
          if (text === 'bad') nack({ delay: 0, reason: 'not today' })
          if (text === 'b') void subscription.close()
        },
        { order: 'partition' },
      )
      // Under exactly-once what shared a transaction with a refused message is handled again.
      const last = seen.filter((entry, at) => seen.lastIndexOf(entry) === at)
      expect(last).toEqual(['a1', 'a2', 'bad1', 'bad2', 'bad3', 'b1'])
      expect(await deadLetters(log)).toMatchObject([
        { value: 'bad', 'dead-letter-reason': 'not today', 'dead-letter-attempts': '3' },
      ])
      expect((await log.committed('g', 't', 0))?.offset).toBe(3)
    })
  }
})

describe('nack({ retry: false })', () => {
  for (const options of [{}, { delivery: 'exactly-once' }, { mode: 'shared' }] as const) {
    it(`puts what trying again would not help to the dead letters at once (${JSON.stringify(options)})`, async () => {
      await using log = await openLog({ memory: true })
      await log.createTopic('t')
      await publish(log, 'invalid', 'good')
      const subscription = await subscribe(log, { ...earliest, ...options })
      const running = subscription.run(({ text, nack }) => {
        if (text === 'invalid') nack({ retry: false, reason: 'no such customer', delay: '1h' })
      })
      await expect.poll(async () => (await log.lag('g', 't'))[0]?.lag).toBe(0)
      await subscription.close()
      await running
      expect(await deadLetters(log)).toMatchObject([
        { value: 'invalid', 'dead-letter-reason': 'no such customer', 'dead-letter-attempts': '1' },
      ])
    })
  }

  it('does so in a loop', async () => {
    await using log = await openLog({ memory: true })
    await log.createTopic('t')
    await publish(log, 'invalid', 'good')
    const act = (item: { text: string; ack(): void; nack(options?: { retry?: boolean }): void }): void =>
      item.text === 'good' ? item.ack() : item.nack({ retry: false })
    expect(await take(await subscribe(log, earliest), 2, act)).toEqual(['invalid', 'good'])
    expect(await everything(log, 't.dead')).toEqual(['invalid'])
  })
})
