import type { Log } from '@aegis/log'
import type { Random } from './random.ts'
import type { Report } from './report.ts'
import { bytes, keys, text, topics } from './topics.ts'

/** What the loops of a workload have in common. */
export interface Host {
  readonly log: Log
  readonly signal: AbortSignal
  readonly report: Report
}

/** Does something, again and again, as a process of its own. */
export type Step = (process: string, random: Random) => Promise<void>

/** Writes rows to a topic that is compacted meanwhile, and reads them by key. */
export const writeRows =
  ({ log, report }: Host): Step =>
  async (process, random) => {
    const sent = Array.from({ length: 1 + random.below(4) }, () => ({
      topic: topics.rows,
      key: random.of(keys),
      value: report.value(process),
    }))
    await report.operation(process, { sent }, async () => {
      const records = sent.map(row => ({ key: row.key, value: row.value }))
      const { positions } = await log.append(topics.rows, records)
      return {
        sent: sent.map((row, at) => ({ ...row, partition: positions[at]!.partition, offset: positions[at]!.offset })),
      }
    })
    const key = random.of(keys)
    await report.operation(process, {}, async () => {
      const row = await log.get(topics.rows, bytes(key))
      return { rowReads: [{ topic: topics.rows, key, offset: row?.offset ?? -1 }] }
    })
  }

/** Follows the rows from the beginning, some at a time, and begins again now and then, when more of it is gone. */
export const readRows =
  ({ log, signal, report }: Host): Step =>
  async (process, random) => {
    const { partitions } = log.topic(topics.rows)
    const positions = new Map(Array.from({ length: partitions }, (_, partition) => [partition, 0]))
    const follower = log.follow(topics.rows, { positions, maxRecords: 1 + random.below(20), signal })
    const begun = new Set<number>()
    for (let pages = 20 + random.below(100); pages > 0; pages--) {
      const page = await follower.next()
      if (page === undefined) break
      const { partition } = page
      const records = page.records.map(record => ({ offset: record.offset, value: text(record.value) }))
      const polled = [{ topic: topics.rows, partition, continues: begun.has(partition), records }]
      begun.add(partition)
      await report.operation(process, {}, async () => ({ polled }))
    }
    follower.close()
  }

/** Appends to histories and truncates them, also in one transaction, and reads what is left. */
export const truncateStreams =
  ({ log, report }: Host): Step =>
  async (process, random) => {
    const topic = topics.streams
    const key = random.of(keys)
    const appended = [{ topic, key, value: report.value(process) }]
    // Of what is there at most: beyond its end there is nothing to truncate.
    const before = ((await log.get(topic, bytes(key)))?.version ?? -1) + 1 - random.below(4)
    const truncated = random.below(3) === 0 && before > 0 ? [{ topic, key, before }] : []
    // Alone: a truncation and nothing else.
    const alone = truncated.length > 0 && random.below(2) === 0
    await report.operation(process, alone ? { truncated } : { appended, truncated }, async () => {
      if (alone) {
        await log.truncateHistory(topic, bytes(key), before)
        return {}
      }
      const receipt = await log.transaction(tx => {
        if (truncated.length > 0) tx.truncateHistory(topic, bytes(key), before)
        return tx.append(topic, { key, value: appended[0]!.value })
      })
      return { appended: [{ ...appended[0]!, version: receipt.positions[0]!.version! }] }
    })
    await report.operation(process, {}, async () => {
      const versions = (await log.history(topic, bytes(key))).map(({ version }) => version)
      return { streamReads: [{ topic, key, versions }] }
    })
  }
