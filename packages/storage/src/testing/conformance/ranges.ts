import type { RangeOptions, Storage } from '../../storage.ts'
import { bytes, list, type OnStorage, outcome, put, type TestRunner } from './runner.ts'

const fill = (storage: Storage, count: number) =>
  storage.commit(Array.from({ length: count }, (_, n) => put(String(n).padStart(6, '0'), 'v'.repeat(100))))

/** Iteration. */
export function rangeTests({ describe, it, expect }: TestRunner, on: OnStorage): void {
  describe('a range', () => {
    const keys = ['\u00ff', 'a', 'b\0', 'b', 'c']
    const cases: [string, RangeOptions, string][] = [
      ['without bounds has every key, in byte order', {}, 'a|b|b\0|c|\u00ff'],
      ['has its closed bounds', { gte: bytes('b'), lte: bytes('c') }, 'b|b\0|c'],
      ['has not its open bounds', { gt: bytes('a'), lt: bytes('c') }, 'b|b\0'],
      ['with both lower bounds begins at the higher', { gte: bytes('a'), gt: bytes('b') }, 'b\0|c|\u00ff'],
      ['with the same key as both lower bounds is open', { gte: bytes('b'), gt: bytes('b') }, 'b\0|c|\u00ff'],
      ['with both upper bounds ends at the lower', { lte: bytes('b'), lt: bytes('c') }, 'a|b'],
      ['goes backwards', { reverse: true, gt: bytes('a') }, '\u00ff|c|b\0|b'],
      ['stops at its limit', { limit: 2 }, 'a|b'],
      ['stops at its limit going backwards', { reverse: true, limit: 2 }, '\u00ff|c'],
      ['of no entries is empty', { limit: 0 }, ''],
      ['whose bounds cross is empty', { gt: bytes('c'), lt: bytes('a') }, ''],
      ['may begin at the empty key', { gte: bytes(''), lt: bytes('b') }, 'a'],
    ]
    for (const [name, options, expected] of cases) {
      it(
        name,
        on(async storage => {
          await storage.commit(keys.map(key => put(key, key)))
          const entries = expected === '' ? [] : expected.split('|').map(key => `${key}=${key}`)
          expect(await list(storage, options)).toEqual(entries)
        }),
      )
    }

    it(
      'comes in chunks of about the size asked for',
      on(async storage => {
        await fill(storage, 1_000)
        const sizes: number[] = []
        for await (const chunk of storage.range({ chunkBytes: 5_000 })) sizes.push(chunk.length)
        expect(sizes.reduce((sum, size) => sum + size)).toEqual(1_000)
        expect(sizes.every(size => size > 0 && size < 200)).toEqual(true)
      }),
    )

    it(
      'is a view: commits made while it is read do not show in it',
      on(async storage => {
        await fill(storage, 500)
        let found = 0
        for await (const chunk of storage.range({ chunkBytes: 1_000 })) {
          if (found === 0) await storage.commit([put('zzz', ''), { type: 'delete', key: bytes('000499') }])
          found += chunk.length
        }
        expect(found).toEqual(500)
      }),
    )

    it(
      'can be left at any time, and read again',
      on(async storage => {
        await fill(storage, 500)
        for (let times = 0; times < 3; times++) {
          for await (const chunk of storage.range({ chunkBytes: 1_000 })) {
            expect(chunk.length > 0).toEqual(true)
            break
          }
        }
        const range = storage.range({ limit: 3 })
        let found = 0
        for await (const chunk of range) found += chunk.length
        expect(found).toEqual(3)
      }),
    )

    const wrong: [string, object][] = [
      ['bound', { gt: 'a' }],
      ['direction', { reverse: 'yes' }],
      ['limit', { limit: -1 }],
      ['limit', { limit: 1.5 }],
      ['chunk size', { chunkBytes: 0 }],
    ]
    for (const [name, options] of wrong) {
      it(
        `with a wrong ${name} is refused: ${JSON.stringify(options)}`,
        on(async storage => {
          expect(await outcome(() => list(storage, options))).toEqual('STORAGE_INVALID')
        }),
      )
    }

    it(
      'that is being read when the storage is closed ends with an error, not early',
      on(async storage => {
        await fill(storage, 2_000)
        const iterator = storage.range({ chunkBytes: 1_000 })[Symbol.asyncIterator]()
        await iterator.next()
        const closing = storage.close()
        let last = await outcome(async () => {
          while ((await iterator.next()).done !== true);
        })
        await closing
        if (last === 'done') last = 'ended as if it were complete'
        expect(last).toEqual('STORAGE_CLOSED')
      }),
    )
  })
}
