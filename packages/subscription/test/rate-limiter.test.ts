import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RateLimiter } from '../src/rate-limiter.ts'

// The limiter is inside the package, and the runs cannot show how exact it is.

const step = fc.record({ name: fc.constantFrom('a', 'b'), wait: fc.constantFrom(0, 0, 1, 7, 100, 640, 1000) })

it('lets through at most so many within any interval, and all that fit but for a sixty-fourth of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(1, 64, 100, 1000),
      fc.array(step, { maxLength: 200 }),
      (limit, per, steps) => {
        const limiter = new RateLimiter({ limit, per })
        const used = new Map<string, number[]>()
        let now = 1_000_000
        for (const { name, wait } of steps) {
          now += wait
          const times = used.get(name) ?? []
          const within = (interval: number): number => times.filter(time => time > now - interval).length
          const left = limiter.wait(name, now)
          if (left > 0) {
            expect(within(per + per / 64), 'it waits although there is room').toBeGreaterThanOrEqual(limit)
            expect(left, 'it waits for longer than that takes').toBeLessThanOrEqual(per)
            now += left
            expect(limiter.wait(name, now), 'it is not over when it says').toBe(0)
          }
          expect(within(per), 'too many').toBeLessThan(limit)
          limiter.use(name, now)
          used.set(name, [...times, now])
        }
      },
    ),
    { numRuns: 500 },
  )
})

it('puts off one after the other, so many at a time, after those that wait already', () => {
  const limiter = new RateLimiter({ limit: 2, per: 100 })
  limiter.use('a', 0)
  limiter.use('a', 10)
  const three = [0, 1, 2].map(() => limiter.reserve('a', 20, 3))
  // Three others come at 100, 110 and 200.
  expect(three).toEqual([180, 180, 280])
  expect(limiter.hasReserved('a', 299)).toBe(true)
  expect(limiter.hasReserved('a', 300)).toBe(false)
  expect(limiter.hasReserved('b', 0)).toBe(false)
})

it('forgets the names that are not in use any more', () => {
  const limiter = new RateLimiter({ limit: 1, per: 100 })
  for (let at = 0; at < 1000; at++) limiter.use(String(at), at)
  expect(limiter.size).toBeLessThanOrEqual(101)
})

it('goes on when the clock is set back', () => {
  const limiter = new RateLimiter({ limit: 1, per: 100 })
  limiter.use('a', 1_000_000)
  expect(limiter.wait('a', 5000)).toBe(100)
  expect(limiter.wait('a', 5100)).toBe(0)
})
