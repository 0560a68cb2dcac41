import { list, type OnLocation, outcome, put, type TestRunner } from './runner.ts'

/** What stays between two opens. */
export function reopeningTests({ describe, it, expect }: TestRunner, on: OnLocation): void {
  describe('opened again', () => {
    it(
      'has its id and what was committed, or is another database',
      on(async location => {
        const first = await location.open()
        await first.commit([put('a', '1')])
        await first.commit([put('b', '2')], { durability: 'buffered' })
        await first.close()
        await using second = await location.open()
        const kept = [await list(second), second.databaseId === first.databaseId]
        expect(kept).toEqual(location.keeps === true ? [['a=1', 'b=2'], true] : [[], false])
      }),
    )

    it(
      'is refused while it is open, and the first goes on',
      on(async location => {
        if (location.keeps !== true) return
        const storage = await location.open()
        expect(await outcome(() => location.open())).toEqual('STORAGE_LOCKED')
        await storage.commit([put('a', '1')])
        await storage.close()
        await using next = await location.open()
        expect(await list(next)).toEqual(['a=1'])
      }),
    )

    it(
      'after a failed write takes writes again, and has all that was acknowledged',
      on(async location => {
        if (location.failNextWrite === undefined) return
        const storage = await location.open()
        await storage.commit([put('a', '1')])
        location.failNextWrite()
        const failed = [put('b', '2'), put('c', '3')].map(operation => outcome(() => storage.commit([operation])))
        expect((await Promise.all(failed)).every(code => code === 'STORAGE_IO' || code === 'STORAGE_FENCED')).toEqual(
          true,
        )
        expect(await list(storage)).toEqual(['a=1'])
        await storage.close()
        await using next = await location.open()
        await next.commit([put('d', '4')])
        const found = await list(next)
        expect(['a=1', 'd=4'].every(entry => found.includes(entry))).toEqual(true)
      }),
    )
  })
}
