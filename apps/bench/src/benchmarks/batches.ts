import { randomBytes } from 'node:crypto'
import { openLog } from '@aegis/log'
import { ClassicLevel } from 'classic-level'
import type { Benchmark } from '../benchmark.ts'
import { inFlight } from '../data.ts'
import { measure, row } from '../measure.ts'
import { PlainFile } from '../plain-file.ts'

const batchRecords = 1000

export const benchmark: Benchmark = {
  about: 'Batches of binary records against the same bytes in a plain file, and in LevelDB alone',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    await log.createTopic('binary', { codec: 'bytes' })
    using file = new PlainFile(await folder())
    const level = new ClassicLevel<Uint8Array, Uint8Array>(await folder(), {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: 64 << 20,
      maxFileSize: 8 << 20,
    })
    // A batch that is begun before is refused.
    await level.open()
    const bytes = randomBytes(100 * batchRecords)
    const records = Array.from({ length: batchRecords }, (_, n) => ({ value: bytes.subarray(100 * n, 100 * (n + 1)) }))
    const count = size(800)
    const units = count * batchRecords
    let syncs = 1
    const ours = await measure(units, async () => {
      const before = log.commits
      await inFlight(count, 16, () => log.append('binary', records))
      syncs = log.commits - before
    })
    // What waits together is synced together: as often as the log did it.
    const plain = await measure(units, () => file.appendSynced(count, syncs, () => bytes))
    const key = Buffer.alloc(16)
    let at = 0
    const alone = await measure(units, async () => {
      for (let commit = 0, done = 0; commit < syncs; commit++) {
        const batch = level.batch()
        for (; done * syncs < (commit + 1) * count; done++) {
          key.writeUInt32BE(at++, 12)
          batch.put(key, bytes)
        }
        await batch.write({ sync: true })
      }
    })
    await level.close()
    const work = 'append batches of 1,000 binary records of 100 bytes, 16 in flight, fsync'
    return [
      row(work, 'records', ours, 'file append + fdatasync', plain, 0.6),
      row(work, 'records', ours, 'the same batches as values of LevelDB alone', alone),
      row('the same batches as values of LevelDB alone', 'records', alone, 'file append + fdatasync', plain),
    ]
  },
}
