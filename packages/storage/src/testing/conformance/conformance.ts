import { commitTests } from './commits.ts'
import { lifecycleTests } from './lifecycle.ts'
import { rangeTests } from './ranges.ts'
import { reopeningTests } from './reopening.ts'
import type { OnLocation, OnStorage, StorageLocation, TestRunner } from './runner.ts'
import { snapshotTests } from './snapshots.ts'

/**
 * Tests what every `Storage` promises, whatever it stores in.
 *
 * ```ts
 * storageConformance({ describe, it, expect }, 'memory', () => ({ open: openMemory }))
 * ```
 * @param locate gives a new, empty place for one database
 */
export function storageConformance(
  runner: TestRunner,
  name: string,
  locate: () => StorageLocation | Promise<StorageLocation>,
): void {
  const onLocation: OnLocation = test => async () => {
    const location = await locate()
    try {
      await test(location)
    } finally {
      await location.destroy?.()
    }
  }
  const onStorage: OnStorage = test =>
    onLocation(async location => {
      await using storage = await location.open()
      await test(storage)
    })
  runner.describe(`storage: ${name}`, () => {
    commitTests(runner, onStorage)
    rangeTests(runner, onStorage)
    snapshotTests(runner, onStorage)
    lifecycleTests(runner, onLocation)
    reopeningTests(runner, onLocation)
  })
}
