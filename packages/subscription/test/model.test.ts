import { openLog } from '@aegis/log'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { subscribe } from './items.ts'

type Step =
  | { readonly do: 'publish'; readonly count: number }
  | { readonly do: 'consume'; readonly acts: readonly ('ack' | 'nack' | 'leave')[] }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    do: fc.constant('consume' as const),
    acts: fc.array(fc.constantFrom('ack' as const, 'ack' as const, 'nack' as const, 'leave' as const), {
      minLength: 1,
      maxLength: 8,
    }),
  }),
)

it('a group is given every message until it is acknowledged or dead, in any history of acks, nacks and new members', {
  timeout: 60_000,
}, async () => {
  const maxAttempts = 3
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), fc.integer({ min: 1, max: 3 }), async (steps, partitions) => {
      await using log = await openLog({ memory: true })
      await log.createTopic('t', { partitions })
      const options = { groupId: 'g', from: 'earliest', backoff: 0, maxAttempts } as const
      await (await subscribe(log, options)).close()
      // The model: how often each message was delivered, and which are still to be done.
      const open = new Map<string, number>()
      const dead = new Set<string>()
      let published = 0
      for (const current of steps) {
        if (current.do === 'publish') {
          for (let at = 0; at < current.count; at++) {
            const text = String(published++)
            open.set(text, 0)
            await log.append('t', { value: Buffer.from(text), key: Buffer.from(text) })
          }
          continue
        }
        if (open.size === 0) continue
        const acts = [...current.acts]
        const left = new Set<string>()
        for await (const item of await subscribe(log, options)) {
          const before = open.get(item.text)
          expect(before, `${item.text} was done`).toBeDefined()
          expect(item.attempts).toBe(before! + 1)
          open.set(item.text, item.attempts)
          const act = acts.shift()
          if (act === 'ack') {
            item.ack()
            open.delete(item.text)
          }
          if (act === 'nack') {
            item.nack()
            if (item.attempts >= maxAttempts) {
              open.delete(item.text)
              dead.add(item.text)
            }
          }
          // One that was left too often is buried before it is delivered again.
          if (act === 'leave' && item.attempts >= maxAttempts) {
            open.delete(item.text)
            dead.add(item.text)
          }
          if (act === 'leave') left.add(item.text)
          // What was left is delivered again to the next member, not to this one.
          if (acts.length === 0 || [...open.keys()].every(text => left.has(text))) break
        }
      }
      // All that is left is delivered now, and nothing else.
      if (open.size > 0) {
        for await (const item of await subscribe(log, options)) {
          expect(open.delete(item.text), item.text).toBe(true)
          item.ack()
          if (open.size === 0) break
        }
      }
      const buried = (await log.listTopics()).some(({ name }) => name === 't.dead')
        ? (await log.read('t.dead', 0, { from: 0 })).records.map(({ value }) => Buffer.from(value!).toString())
        : []
      for (const text of buried) expect(dead.has(text), text).toBe(true)
      expect(new Set(buried).size).toBe(buried.length)
    }),
    { numRuns: 100 },
  )
})
