import { randomBytes } from 'node:crypto'
import { openLog } from '@aegis/log'
import type { Benchmark } from '../benchmark.ts'
import { inFlight, order } from '../data.ts'
import { limitRow, measureOnce, row } from '../measure.ts'
import { PlainFile } from '../plain-file.ts'

const partitions = 16
const batchRecords = 100

/** A record of 1,000 bytes: JSON, and something that cannot be compressed, half and half. */
function value(n: number): Buffer {
  const text = Array.from({ length: 5 }, (_, at) => JSON.stringify(order(5 * n + at))).join('')
  return Buffer.concat([Buffer.from(text), randomBytes(1_000)]).subarray(0, 1_000)
}

export const benchmark: Benchmark = {
  about: '3 GB in batches of 100 KB, all partitions at once: what the log does when nothing fits into memory any more',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    await log.createTopic('sustained', { partitions, codec: 'bytes' })
    using file = new PlainFile(await folder())
    const values = Array.from({ length: 1_000 }, (_, n) => value(n))
    const batch = (n: number): Buffer[] => Array.from({ length: batchRecords }, (_, at) => values[(n + at) % 1_000]!)
    const batches = Array.from({ length: 64 }, (_, n) => batch(37 * n))
    const count = size(30_000)
    let longest = 0
    const ours = await measureOnce(count / 10, () =>
      inFlight(count, 32, async n => {
        const began = performance.now()
        const partition = n % partitions
        await log.append(
          'sustained',
          batches[n % 64]!.map(bytes => ({ value: bytes, partition })),
        )
        longest = Math.max(longest, performance.now() - began)
      }),
    )
    const joined = batches.map(parts => Buffer.concat(parts))
    const plain = await measureOnce(count / 10, () => file.appendSynced(count, log.commits, n => joined[n % 64]!))
    const work = 'append 3 GB over 16 partitions, batches of 100 KB, 32 in flight, fsync'
    return [
      row(work, 'MB', ours, 'file append + fdatasync', plain, 0.5),
      limitRow(`${work}: longest wait`, 's', longest / 1_000, 1),
    ]
  },
}
