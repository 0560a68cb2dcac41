import type { Storage } from '../../storage.ts'
import { bytes, list, type OnLocation, outcome, put, type StorageLocation, type TestRunner } from './runner.ts'

const key = bytes('key')

const writes: Record<string, (storage: Storage) => unknown> = {
  commit: storage => storage.commit([{ type: 'put', key, value: key }]),
  flush: storage => storage.flush(),
}
const reads: Record<string, (storage: Storage) => unknown> = {
  get: storage => storage.get(key),
  getMany: storage => storage.getMany([key]),
  getSync: storage => storage.getSync(key),
  range: storage => list(storage),
  snapshot: async storage => {
    await using snapshot = storage.snapshot()
    await snapshot.get(key)
  },
  approximateSize: storage => storage.approximateSize(key, key),
  compact: storage => storage.compact(key, key),
}

interface State {
  /** Brings an open storage into the state; false where the location cannot. */
  reach(storage: Storage, location: StorageLocation): Promise<boolean>
  readonly status: Storage['status']
  readonly write: string
  readonly read: string
}

async function fence(storage: Storage, location: StorageLocation): Promise<boolean> {
  if (location.failNextWrite === undefined) return false
  location.failNextWrite()
  await outcome(() => storage.commit([{ type: 'put', key, value: key }]))
  return true
}

async function close(storage: Storage): Promise<boolean> {
  await storage.close()
  return true
}

const refused = { write: 'STORAGE_CLOSED', read: 'STORAGE_CLOSED' }

const states: Record<string, State> = {
  open: { reach: async () => true, status: 'open', write: 'done', read: 'done' },
  'fenced by a failed write': { reach: fence, status: 'fenced', write: 'STORAGE_FENCED', read: 'done' },
  closing: {
    async reach(storage) {
      void storage.close()
      return true
    },
    status: 'closing',
    ...refused,
  },
  closed: { reach: close, status: 'closed', ...refused },
  'closed after it was fenced': {
    reach: async (storage, location) => (await fence(storage, location)) && close(storage),
    status: 'closed',
    ...refused,
  },
}

/** Every operation in every state. */
export function lifecycleTests({ describe, it, expect }: TestRunner, on: OnLocation): void {
  for (const [name, state] of Object.entries(states)) {
    describe(`when ${name}`, () => {
      const expected = [
        ...Object.entries(writes).map(entry => [...entry, state.write] as const),
        ...Object.entries(reads).map(entry => [...entry, state.read] as const),
      ]
      for (const [operation, run, result] of expected) {
        it(
          result === 'done' ? `${operation} works` : `${operation} is refused with ${result}`,
          on(async location => {
            await using storage = await location.open()
            if (!(await state.reach(storage, location))) return
            expect(storage.status).toEqual(state.status)
            expect(await outcome(() => run(storage))).toEqual(result)
          }),
        )
      }
    })
  }

  describe('close', () => {
    it(
      'finishes the commits called before it',
      on(async location => {
        const storage = await location.open()
        const before = Array.from({ length: 20 }, (_, n) => storage.commit([put(`${n}`, '')]))
        await storage.close()
        expect(await outcome(() => Promise.all(before))).toEqual('done')
      }),
    )

    it(
      'lets every read called before it end, with its value or an error',
      on(async location => {
        const storage = await location.open()
        await storage.commit([put('key', 'value')])
        const before = Array.from({ length: 20 }, () => outcome(() => storage.get(key)))
        const closing = storage.close()
        const ended = await Promise.all(before)
        expect(ended.filter(end => end !== 'done' && end !== 'STORAGE_CLOSED')).toEqual([])
        await closing
      }),
    )

    it(
      'can be called again, at any time, and by leaving the scope',
      on(async location => {
        await using storage = await location.open()
        await Promise.all([storage.close(), storage.close()])
        await storage.close()
        expect(storage.status).toEqual('closed')
      }),
    )

    it(
      'releases what readers hold: open snapshots and ranges do not keep it waiting',
      on(async location => {
        const storage = await location.open()
        await storage.commit([put('a', '1'), put('b', '2')])
        storage.snapshot()
        const iterator = storage.range({ chunkBytes: 1 })[Symbol.asyncIterator]()
        await iterator.next()
        await storage.close()
        expect(storage.status).toEqual('closed')
      }),
    )
  })
}
