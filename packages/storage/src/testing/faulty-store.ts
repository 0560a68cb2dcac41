import type { StoredOperation } from '../arguments.ts'
import type { Store, StoreReader } from '../store.ts'
import { type DiskOperation, type Failure, injectedError } from './faults.ts'

/** The connection of one open storage to its disk; dead after a crash. */
export interface DiskHead {
  alive: boolean
  /** The write that has begun and not ended. */
  writing: { readonly operations: readonly StoredOperation[]; readonly sync: boolean } | undefined
}

export interface Disk {
  /** How the operation that begins will fail; undefined when it works. */
  before(operation: DiskOperation): Failure | undefined
  wait(): Promise<void>
  tear(operations: readonly StoredOperation[]): readonly StoredOperation[]
  stored(operations: readonly StoredOperation[], sync: boolean): void
}

const died = () => new Error('The process or the machine was stopped (injected)')

/** A store whose operations fail, wait and are cut off as its disk says. */
export function faultyStore(store: Store, head: DiskHead, disk: Disk): Store {
  return {
    ...faultyReader(store, head, disk),
    async write(operations, sync) {
      const failure = disk.before('write')
      head.writing = { operations, sync }
      await disk.wait()
      if (!head.alive) throw died()
      head.writing = undefined
      const outcome = failure?.outcome
      const stored = outcome === 'refused' ? [] : outcome === 'torn' ? disk.tear(operations) : operations
      if (stored.length > 0) {
        disk.stored(stored, sync)
        // As with LevelDB, what failed does not show before the next open, even if it is on the disk.
        if (failure === undefined) await store.write(stored, sync)
      }
      if (failure !== undefined) throw injectedError('write', failure.error)
    },
    snapshot() {
      const snapshot = store.snapshot()
      return { ...faultyReader(snapshot, head, disk), close: () => snapshot.close() }
    },
    approximateSize: (start, end) => store.approximateSize(start, end),
    compact: (start, end) => store.compact(start, end),
    close: () => store.close(),
  }
}

function faultyReader(store: StoreReader, head: DiskHead, disk: Disk): StoreReader {
  const check = () => {
    const failure = disk.before('read')
    if (failure !== undefined) throw injectedError('read', failure.error)
    if (!head.alive) throw died()
  }
  const read = async <Result>(reading: () => Promise<Result>) => {
    check()
    await disk.wait()
    return reading()
  }
  return {
    get: key => read(() => store.get(key)),
    getMany: keys => read(() => store.getMany(keys)),
    getSync(key) {
      check()
      return store.getSync(key)
    },
    iterate(range) {
      const iterator = store.iterate(range)
      return { next: () => read(() => iterator.next()), close: () => iterator.close() }
    },
  }
}
