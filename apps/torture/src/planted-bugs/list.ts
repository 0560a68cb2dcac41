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
    find: 'return found === crc32c(stored.subarray(0, end), crc32c(storedKey))',
    replace: 'return found >= 0',
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
    file: 'packages/subscription/src/delivery.ts',
    find: 'this.partition.window.acknowledge(this.slot)',
    replace: '{ this.partition.window.acknowledge(this.slot); this.partition.window.acknowledge(this.slot + 1) }',
    test: { file: 'packages/subscription/test/delivery.test.ts' },
  },
  {
    name: 'a processor forgets its position',
    file: 'packages/processing/src/job.ts',
    find: 'tx.putState(space, progressKey, encodeJson(progress))',
    replace: 'tx.putState(space, progressKey, encodeJson({ ...progress, position: 0 }))',
    test: { file: 'packages/processing/test/restart.property.test.ts' },
  },
  {
    name: 'the side file is not written',
    file: 'packages/storage/src/level/side-file.ts',
    find: 'writeSync(this.#descriptor, slot',
    replace: 'if (Number.isNaN(0)) writeSync(this.#descriptor, slot',
    test: { file: 'packages/storage/test/folder.test.ts', name: 'write-ahead log' },
  },
  {
    name: 'commits that wait for one another are written in the opposite order',
    file: 'packages/storage/src/sequenced-storage.ts',
    find: 'return this.#waiting.splice(0, count)',
    replace: 'return this.#waiting.splice(0, count).reverse()',
    test: { file: 'packages/storage/test/conformance.test.ts', name: 'called later is never visible' },
  },
  {
    name: 'two writes of a commit are swapped',
    file: 'packages/storage/src/sequenced-storage.ts',
    find: 'for (const operation of commit.operations) operations.push(operation)',
    replace: 'for (const operation of commit.operations.toReversed()) operations.push(operation)',
    test: { file: 'packages/storage/test/conformance.test.ts', name: 'applies its operations in order' },
  },
  {
    name: 'a storage writes on after a failed write',
    file: 'packages/storage/src/sequenced-storage.ts',
    find: "if (this.#status === 'open') this.#status = 'fenced'",
    replace: '',
    test: { file: 'packages/storage/test/failing-writes.test.ts' },
  },
  {
    name: 'a log that LevelDB has left is not synced',
    file: 'packages/storage/src/level/journal.ts',
    find: 'return this.#syncLogs(logs.slice(0, -1)).then',
    replace: 'return Promise.resolve().then',
    test: { file: 'apps/torture/test/rotation.test.ts' },
  },
  {
    name: 'buffered commits are not synced later',
    file: 'packages/storage/src/sequenced-storage.ts',
    find: "if (durability === 'buffered') this.#periodicSync?.later()",
    replace: "if (durability !== 'buffered') this.#periodicSync?.later()",
    test: { file: 'packages/storage/test/buffered.test.ts' },
  },
  {
    name: 'a folder is given to everyone who asks',
    file: 'packages/storage/src/level/ownership.ts',
    find: 'const letGo = await holdFolder(folder)',
    replace: 'const letGo = (await holdFolder(folder)) ?? (async () => undefined)',
    test: { file: 'packages/storage/test/lock.test.ts' },
  },
  {
    name: 'tables are not compared with their checksums at open',
    file: 'packages/storage/src/level/open-folder.ts',
    find: 'if (!allowLoss) await assertTables(folder)',
    replace: 'if (Number.isNaN(0)) await assertTables(folder)',
    test: { file: 'packages/storage/test/corruption.test.ts', name: 'a damaged table is not opened' },
  },
  {
    name: 'verify does not look at the blocks of tables',
    file: 'packages/storage/src/level/tables.ts',
    find: 'if (!hasChecksum(block)) yield',
    replace: 'if (Number.isNaN(0)) yield',
    test: { file: 'packages/storage/test/corruption.test.ts', name: 'found by verify' },
  },
  {
    name: 'a backup that ended early passes for a new folder',
    file: 'packages/storage/src/level/open-folder.ts',
    find: "if (marker.state === 'copying') {",
    replace: 'if (Number.isNaN(0)) {',
    test: { file: 'packages/storage/test/backup.test.ts', name: 'whose process died' },
  },
  {
    name: 'a restored topic gives out the offsets of records that are gone',
    file: 'packages/log/src/embedded/restored-topic.ts',
    find: 'next: end + gap }',
    replace: 'next: end + gap - gap }',
    test: { file: 'packages/log/test/backup.test.ts' },
  },
  {
    name: 'records that are missing in storage are passed over',
    file: 'packages/log/src/embedded/batch-reader.ts',
    find: 'if (previousEnd > expected) await',
    replace: 'if (Number.isNaN(0)) await',
    test: { file: 'packages/log/test/verify.test.ts', name: 'are an error for readers' },
  },
  {
    name: 'a partition ends one offset too early',
    file: 'packages/log/src/embedded/commit.ts',
    find: 'endOffset: lastOffset + 1,',
    replace: 'endOffset: lastOffset,',
    test: { file: conformance, name: 'goes on with higher offsets' },
  },
  {
    name: 'what a producer has appended is not remembered',
    file: 'packages/log/src/embedded/append.ts',
    find: 'noteBatch(stage, topic, producer, positions, now)',
    replace: 'if (Number.isNaN(0)) noteBatch(stage, topic, producer, positions, now)',
    test: { file: conformance, name: 'an append that is repeated' },
  },
  {
    name: 'a page is lost when pages are folded',
    file: 'packages/log/src/embedded/history/folding.ts',
    find: '...entries])',
    replace: '...entries.slice(1)])',
    test: { file: 'packages/log/test/history.test.ts' },
  },
  {
    name: 'a truncated history counts from 0 again',
    file: 'packages/log/src/embedded/history/write.ts',
    find: 'stage.put(headKey, encodeHead(truncated(head, start)))',
    replace:
      'if (start < head.count) stage.put(headKey, encodeHead(truncated(head, start))); else stage.delete(headKey)',
    test: { file: conformance, name: 'versions go on counting' },
  },
  {
    name: 'a history in memory does not hear of what is appended to it',
    file: 'packages/log/src/embedded/history/head-cache.ts',
    find: 'if (operation.key[0] !== Space.head) continue',
    replace: 'if (operation.key[0] === Space.head) continue',
    test: { file: conformance, name: 'gives the newest record of a key' },
  },
  {
    name: 'compaction drops the last record of a key',
    file: 'packages/log/src/embedded/compaction.ts',
    find: 'latestOffset(entry) !== record.offset) continue',
    replace: 'latestOffset(entry) === record.offset) continue',
    test: { file: 'packages/log/test/compaction.test.ts' },
  },
  {
    name: 'compaction loses the last record of what it merges',
    file: 'packages/log/src/embedded/compaction.ts',
    find: 'const records = group.flatMap(({ live }) => live)',
    replace: 'const records = group.flatMap(({ live }) => live).slice(0, -1)',
    test: { file: 'packages/log/test/compaction.test.ts' },
  },
  {
    name: 'a truncation takes a record too many',
    file: 'packages/log/src/embedded/history/write.ts',
    find: 'const start = Math.min(before, head.count)',
    replace: 'const start = Math.min(before + 1, head.count)',
    test: { file: torture, name: 'killed at random moments' },
  },
  {
    name: 'compaction does not wait with tombstones',
    file: 'packages/log/src/embedded/compaction.ts',
    find: 'if (record.value === null && envelope.appendTime < old)',
    replace: 'if (record.value === null && envelope.appendTime <= old + tombstoneTime)',
    test: { file: conformance, name: 'keeps a tombstone for a day' },
  },
  {
    name: 'a group goes on in a topic that was created again',
    file: 'packages/log/src/embedded/group-positions.ts',
    find: 'this.#abandoned.check(name, groupId)',
    replace: '',
    test: { file: conformance, name: 'not taken for one of the new topic' },
  },
  {
    name: 'members of a deleted topic go on committing',
    file: 'packages/log/src/embedded/embedded-log.ts',
    find: 'group.dissolve()',
    replace: 'void group',
    test: { file: conformance, name: 'or with its topic, is refused' },
  },
  {
    name: 'a transaction commits while it still reads',
    file: 'packages/log/src/embedded/transaction.ts',
    find: 'if (this.#reading > 0) {',
    replace: 'if (Number.isNaN(0)) {',
    test: { file: conformance, name: 'that nobody has awaited' },
  },
  {
    name: 'a deletion that was cut short is not gone on with',
    file: 'packages/log/src/embedded/maintenance.ts',
    find: 'this.#deleted = new Set(deleted)',
    replace: 'this.#deleted = new Set([...deleted].slice(0, 0))',
    test: { file: 'packages/log/test/maintenance.test.ts', name: 'cut short' },
  },
]
