import { type Anomaly, type History, keyName, type Sent } from '../history.ts'

/** What is wrong with a compacted topic: a key that gives an older record than was acknowledged, or another than the feed. */
export function* rowAnomalies({ operations, final }: History): Generator<Anomaly> {
  const acknowledged: { end: number; name: string; offset: number }[] = []
  const rowOf = new Map<string, Sent>()
  for (const { outcome, end, sent } of operations) {
    for (const row of sent) {
      if (row.key === undefined) continue
      rowOf.set(row.value, row)
      if (outcome !== 'ok' || row.offset === undefined) continue
      acknowledged.push({ end, name: keyName(row.topic, row.key), offset: row.offset })
    }
  }
  acknowledged.sort((a, b) => a.end - b.end)
  const reads = operations.filter(({ outcome, rowReads }) => outcome === 'ok' && rowReads.length > 0)
  const newest = new Map<string, number>()
  let at = 0
  for (const { start, rowReads } of reads.toSorted((a, b) => a.start - b.start)) {
    for (; at < acknowledged.length && acknowledged[at]!.end < start; at++) {
      const { name, offset } = acknowledged[at]!
      newest.set(name, Math.max(newest.get(name) ?? -1, offset))
    }
    for (const { topic, key, offset } of rowReads) {
      const name = keyName(topic, key)
      const before = newest.get(name) ?? -1
      if (offset < before) yield { name: 'stale-row', example: `${name} was read at ${offset} after ${before}` }
    }
  }
  const feed = new Map<string, number>()
  for (const records of final.records.values()) {
    for (const { value, offset } of records) {
      const row = rowOf.get(value)
      if (row?.key !== undefined) feed.set(keyName(row.topic, row.key), offset)
    }
  }
  for (const name of new Set([...feed.keys(), ...final.rows.keys()])) {
    const [inFeed, byKey] = [feed.get(name), final.rows.get(name)]
    if (inFeed === byKey) continue
    yield {
      name: 'stale-row',
      example: `${name} is at ${String(byKey)} by its key and at ${String(inFeed)} in the feed`,
    }
  }
}
