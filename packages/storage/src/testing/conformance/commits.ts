import type { Operation } from '../../storage.ts'
import { bytes, del, list, type OnStorage, outcome, put, type TestRunner, text } from './runner.ts'

/** Commits and reads of single keys. */
export function commitTests({ describe, it, expect }: TestRunner, on: OnStorage): void {
  describe('a commit', () => {
    it(
      'is applied whole and read back',
      on(async storage => {
        await storage.commit([put('a', '1'), put('b', ''), put('c', '3')])
        await storage.commit([del('a'), del('absent')])
        const keys = ['a', 'b', 'c'].map(bytes)
        expect((await storage.getMany(keys)).map(text)).toEqual([undefined, '', '3'])
        expect(text(await storage.get(bytes('c')))).toEqual('3')
        expect(keys.map(key => text(storage.getSync(key)))).toEqual([undefined, '', '3'])
      }),
    )

    it(
      'applies its operations in order, the last on a key wins',
      on(async storage => {
        await storage.commit([put('a', '1'), put('a', '2'), put('b', '1'), del('b'), del('c'), put('c', '1')])
        expect(await list(storage)).toEqual(['a=2', 'c=1'])
      }),
    )

    it(
      'may be empty',
      on(async storage => {
        await storage.commit([])
        await storage.flush()
        expect(await list(storage)).toEqual([])
      }),
    )

    it(
      'takes its bytes at the call: the buffers can be used again at once',
      on(async storage => {
        const key = bytes('key')
        const value = bytes('value')
        const operations: Operation[] = [{ type: 'put', key, value }]
        const done = storage.commit(operations)
        key.fill(0)
        value.fill(0)
        operations.length = 0
        await done
        expect(await list(storage)).toEqual(['key=value'])
      }),
    )

    it(
      'called later is never visible without those called before, whatever their durability',
      on(async storage => {
        const last = 300
        const commits: Promise<void>[] = []
        for (let n = 1; n <= last; n++) {
          const durability = n % 3 === 0 ? 'fsync' : 'buffered'
          commits.push(storage.commit([put('n', `${n}`), put(`k${n}`, '')], { durability }))
        }
        let seen = 0
        while (seen < last) {
          await using snapshot = storage.snapshot()
          const now = Number(text(await snapshot.get(bytes('n'))) ?? 0)
          expect(now >= seen).toEqual(true)
          expect((await list(snapshot, { gte: bytes('k'), lt: bytes('l') })).length).toEqual(now)
          seen = now
        }
        await Promise.all(commits)
      }),
    )

    it(
      'is visible when its promise resolves',
      on(async storage => {
        const seen = Array.from({ length: 50 }, async (_, n) => {
          await storage.commit([put(`${n}`, `${n}`)], { durability: n % 2 === 0 ? 'buffered' : 'fsync' })
          return text(storage.getSync(bytes(`${n}`)))
        })
        expect(await Promise.all(seen)).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`))
      }),
    )

    it(
      'carries any bytes: large values, long keys, keys that begin one another',
      on(async storage => {
        const value = Uint8Array.from({ length: 3_000_000 }, (_, n) => n * 31)
        const keys = [Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(255), new Uint8Array(5_000).fill(255)]
        await storage.commit(keys.map((key, n) => ({ type: 'put', key, value: value.subarray(n) })))
        for (const [n, key] of keys.entries()) {
          const found = await storage.get(key)
          expect(found !== undefined && Buffer.compare(found, value.subarray(n)) === 0).toEqual(true)
        }
      }),
    )

    const wrong: [string, unknown, unknown?][] = [
      ['operations that are no array', put('a', '1')],
      ['an operation of another type', [{ ...put('a', '1'), type: 'del' }]],
      ['no operation', [put('a', '1'), undefined]],
      ['a key that is a string', [{ type: 'put', key: 'a', value: bytes('1') }]],
      ['an empty key', [{ type: 'put', key: bytes(''), value: bytes('1') }]],
      ['a value that is missing', [{ type: 'put', key: bytes('a') }]],
      ['another durability', [put('a', '1')], { durability: 'sync' }],
    ]
    for (const [name, operations, options] of wrong) {
      it(
        `with ${name} is refused, and nothing of it is applied`,
        on(async storage => {
          const commit: (operations: unknown, options: unknown) => Promise<void> = storage.commit.bind(storage) as never
          expect(await outcome(() => commit(operations, options))).toEqual('STORAGE_INVALID')
          expect(await list(storage)).toEqual([])
          await storage.commit([put('b', '1')])
          expect(storage.status).toEqual('open')
        }),
      )
    }
  })

  describe('reading', () => {
    it(
      'a key that is not there gives undefined',
      on(async storage => {
        expect(await storage.get(bytes('a'))).toEqual(undefined)
        expect(await storage.getMany([bytes('a'), bytes('b')])).toEqual([undefined, undefined])
        expect(await storage.getMany([])).toEqual([])
        expect(storage.getSync(bytes('a'))).toEqual(undefined)
      }),
    )

    it(
      'refuses what is not a key',
      on(async storage => {
        const notKeys = ['a', '', undefined, null, 1, [], new Uint8Array()] as never[]
        for (const key of notKeys) {
          expect(await outcome(() => storage.get(key))).toEqual('STORAGE_INVALID')
          expect(await outcome(() => storage.getSync(key))).toEqual('STORAGE_INVALID')
          expect(await outcome(() => storage.getMany([bytes('a'), key]))).toEqual('STORAGE_INVALID')
        }
      }),
    )

    it(
      'sizes and compaction take a range and change nothing that can be read',
      on(async storage => {
        await storage.commit([put('a', '1'), put('b', '2')])
        await storage.commit([del('a')])
        await storage.compact(bytes('a'), bytes('z'))
        expect((await storage.approximateSize(bytes('a'), bytes('z'))) >= 0).toEqual(true)
        expect(await list(storage)).toEqual(['b=2'])
      }),
    )
  })
}
