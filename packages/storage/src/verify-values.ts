import { storedRange } from './arguments.ts'
import { isSealed, shownKey } from './checksum.ts'
import type { ScanProgress } from './scan-progress.ts'
import type { Damage } from './storage.ts'
import { storageFailure } from './storage-failure.ts'
import type { StoreReader } from './store.ts'

/** How much damage a report lists: more says nothing more. */
export const reportedDamage = 1_000

/** Compares every value with its checksum. */
export async function verifyValues(
  store: StoreReader,
  progress: ScanProgress,
  signal: AbortSignal | undefined,
): Promise<Damage[]> {
  const damage: Damage[] = []
  const iterator = store.iterate(storedRange({}))
  try {
    while (damage.length < reportedDamage) {
      signal?.throwIfAborted()
      let found
      try {
        found = await iterator.next()
      } catch (error) {
        // The iterator cannot go on behind it.
        const failure = storageFailure(error, 'Reading on')
        if (failure.code !== 'STORAGE_CORRUPT') throw failure
        damage.push({ reason: failure.message })
        break
      }
      if (found.length === 0) break
      let bytes = 0
      for (const [key, value] of found) {
        bytes += key.length + value.length
        if (isSealed(key, value) || damage.length >= reportedDamage) continue
        damage.push({ key: shownKey(key), reason: 'the value does not have its checksum' })
      }
      await progress.reached(found.at(-1)![0].subarray(1), found.length, bytes)
    }
  } finally {
    await iterator.close()
  }
  return damage
}
