/** A deliberate defect, and the test that must fail with it. */
export interface PlantedBug {
  readonly name: string
  readonly file: string
  /** Text that the file has once, and what takes its place. */
  readonly find: string
  readonly replace: string
  readonly test: { readonly file: string /** All tests of the file when left out. */; readonly name?: string }
}

const conformance = 'packages/log/test/conformance.test.ts'
const torture = 'apps/torture/test/torture.test.ts'

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a partition changes hands before the last commit of its former member is durable',
    file: 'packages/log/src/embedded/group-coordinator.ts',
    find: 'if (free.length > 0) await this.#settled()',
    replace: '',
    test: { file: 'packages/log/test/group-handover.test.ts' },
  },
  {
    name: 'commits are not synced',
    file: 'packages/storage/src/sequenced-storage.ts',
    find: "await this.#store.write(operations, durability === 'fsync')",
    replace: 'await this.#store.write(operations, false)',
    test: { file: torture, name: 'a power cut takes nothing acknowledged' },
  },
  {
    name: 'checksums of values are not compared',
    file: 'packages/storage/src/checksum.ts',
    find: 'if (found === crc32c(value, crc32c(storedKey))) return value',
    replace: 'if (found >= 0) return value',
    test: { file: 'packages/storage/test/checksum.test.ts' },
  },
  {
    name: 'the write-ahead logs are not verified before LevelDB opens them',
    file: 'packages/storage/src/level/open-folder.ts',
    find: 'let loss = await findLoss(folder, required)',
    replace: 'let loss: Awaited<ReturnType<typeof findLoss>>',
    test: { file: 'packages/storage/test/folder.test.ts' },
  },
  {
    name: 'the generation of a member is not checked in the commit',
    file: 'packages/log/src/embedded/transaction.ts',
    find: 'for (const position of this.#positions) this.#host.positions.fence(position)',
    replace: '',
    test: { file: conformance, name: 'is refused the whole transaction' },
  },
  {
    name: 'what a transaction has read is not checked against later writes',
    file: 'packages/log/src/embedded/transaction.ts',
    find: 'if (this.#host.sequencer.recent.touched(this, this.#reads)) {',
    replace: 'if (Number.isNaN(0)) {',
    test: { file: torture, name: 'killed at random moments' },
  },
  {
    name: 'an expected version is not checked',
    file: 'packages/log/src/embedded/append.ts',
    find: "if (expected === 'any' || records.length === 0) return",
    replace: 'if (Number.isFinite(0) || records.length === 0) return',
    test: { file: conformance, name: 'checks what a writer expects' },
  },
  {
    name: 'acknowledging one message acknowledges the next as well',
    file: 'packages/subscription/src/committer.ts',
    find: 'for (const slot of slots) window.acknowledge(slot)',
    replace: 'for (const slot of slots) { window.acknowledge(slot); window.acknowledge(slot + 1) }',
    test: { file: 'packages/subscription/test/exactly-once.test.ts' },
  },
  {
    name: 'a processor forgets its position',
    file: 'packages/processing/src/job.ts',
    find: 'tx.putState(space, progressKey, encodeJson(progress))',
    replace: 'tx.putState(space, progressKey, encodeJson({ ...progress, position: 0 }))',
    test: { file: 'packages/processing/test/restart.property.test.ts' },
  },
]
