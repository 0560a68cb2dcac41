import { bytes, del, list, type OnStorage, outcome, put, type TestRunner, text } from './runner.ts'

/** Frozen views. */
export function snapshotTests({ describe, it, expect }: TestRunner, on: OnStorage): void {
  describe('a snapshot', () => {
    it(
      'stays as it was, for every way of reading',
      on(async storage => {
        await storage.commit([put('a', 'old'), put('b', 'old')])
        await using snapshot = storage.snapshot()
        await storage.commit([put('a', 'new'), del('b'), put('c', 'new')])
        const keys = ['a', 'b', 'c'].map(bytes)
        expect((await snapshot.getMany(keys)).map(text)).toEqual(['old', 'old', undefined])
        expect(text(await snapshot.get(bytes('a')))).toEqual('old')
        expect(text(snapshot.getSync(bytes('b')))).toEqual('old')
        expect(await list(snapshot)).toEqual(['a=old', 'b=old'])
        expect(await list(storage)).toEqual(['a=new', 'c=new'])
      }),
    )

    it(
      'has all or nothing of a commit that is under way',
      on(async storage => {
        const pending = storage.commit([put('a', '1'), put('b', '2')])
        await using snapshot = storage.snapshot()
        const seen = await list(snapshot)
        await pending
        expect(await list(snapshot)).toEqual(seen)
        expect([0, 2].includes(seen.length)).toEqual(true)
      }),
    )

    it(
      'is one of many, each with its own time',
      on(async storage => {
        const snapshots = []
        for (let n = 0; n < 10; n++) {
          await storage.commit([put('n', `${n}`)])
          snapshots.push(storage.snapshot())
        }
        await snapshots[3]!.close()
        const open = snapshots.filter((_, n) => n !== 3)
        const seen = await Promise.all(open.map(async snapshot => text(await snapshot.get(bytes('n')))))
        expect(seen).toEqual(['0', '1', '2', '4', '5', '6', '7', '8', '9'])
        for (const snapshot of open) await snapshot.close()
      }),
    )

    it(
      'that is closed, once or twice, refuses every way of reading',
      on(async storage => {
        const snapshot = storage.snapshot()
        await snapshot.close()
        await snapshot.close()
        const reads = [
          () => snapshot.get(bytes('a')),
          () => snapshot.getMany([bytes('a')]),
          () => snapshot.getSync(bytes('a')),
          () => list(snapshot),
        ]
        for (const read of reads) expect(await outcome(read)).toEqual('STORAGE_CLOSED')
      }),
    )

    it(
      'can be closed after its storage',
      on(async storage => {
        const snapshot = storage.snapshot()
        await storage.close()
        expect(await outcome(() => snapshot.get(bytes('a')))).toEqual('STORAGE_CLOSED')
        await snapshot.close()
      }),
    )
  })
}
