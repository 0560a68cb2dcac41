import { openLog } from '@aegis/log'
import { ClassicLevel } from 'classic-level'
import type { Benchmark } from '../benchmark.ts'
import { limitRow, median, runs } from '../measure.ts'

export const benchmark: Benchmark = {
  about: 'How much longer a log with many records takes to open than LevelDB alone does on the same folder',
  async run({ folder, size }) {
    const dataDir = await folder()
    const total = size(10_000_000)
    const records = Array.from({ length: 1_000 }, (_, n) => ({ value: Buffer.alloc(100, n), partition: n % 4 }))
    const fill = async (count: number): Promise<void> => {
      await using log = await openLog({ dataDir })
      await log.createTopic('t', { partitions: 4 })
      for (let written = 0; written < count; written += records.length) await log.append('t', records)
    }
    const timed = async (opened: () => Promise<{ close(): Promise<void> }>): Promise<number> => {
      // Something that is only in LevelDB's write-ahead log, as after most closes: opening reads it back.
      await fill(size(300_000))
      const began = performance.now()
      const found = await opened()
      const took = performance.now() - began
      await found.close()
      return took / 1_000
    }
    await fill(total)
    const beyond: number[] = []
    for (let run = 0; run < runs; run++) {
      const alone = await timed(async () => {
        const level = new ClassicLevel(dataDir, { writeBufferSize: 64 << 20, maxFileSize: 8 << 20 })
        await level.open()
        return level
      })
      beyond.push((await timed(() => openLog({ dataDir }))) - alone)
    }
    const work = `open a log with ${total.toLocaleString('en-US')} records: beyond what LevelDB alone takes`
    return [limitRow(work, 's', Math.max(0.001, median(beyond)), 0.3, Math.max(...beyond))]
  },
}
