import { openLog } from '@aegis/log'
import { openLevel } from '@aegis/storage'
import type { Benchmark } from '../benchmark.ts'
import { measure, row } from '../measure.ts'

/** Opening a log with many records against opening its storage alone. */
export const benchmark: Benchmark = {
  async run({ folder, size }) {
    const dataDir = await folder()
    const total = size(2_000_000)
    {
      await using log = await openLog({ dataDir })
      await log.createTopic('t', { partitions: 4 })
      const records = Array.from({ length: 1000 }, (_, n) => ({ value: Buffer.alloc(100, n), partition: n % 4 }))
      for (let written = 0; written < total; written += records.length) await log.append('t', records)
    }
    const storage = await measure(1, async () => (await openLevel({ dataDir })).close())
    const log = await measure(1, async () => (await openLog({ dataDir })).close())
    return [
      row(
        `open and close a log with ${total.toLocaleString('en-US')} records`,
        'times',
        log,
        'its storage alone',
        storage,
      ),
    ]
  },
}
