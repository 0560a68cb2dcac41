import { type Anomaly, type History, partitionName } from '../history.ts'

/** What is wrong with the order in which a process sees and sends: skipped, repeated or turned around. */
export function* orderAnomalies({ operations, final }: History): Generator<Anomaly> {
  const index = new Map<string, Map<number, number>>()
  for (const [partition, records] of final.records) {
    let last = -1
    for (const { offset } of records) {
      if (offset <= last) {
        yield { name: 'nonmonotonic-poll', example: `${partition}: ${offset} was read after ${last} at the end` }
      }
      last = offset
    }
    index.set(partition, new Map(records.map(({ offset }, at) => [offset, at])))
  }
  const polledLast = new Map<string, number>()
  const sentLast = new Map<string, number>()
  for (const { process, outcome, polled, sent } of operations) {
    if (outcome === 'failed') continue
    for (const { topic, partition, records, continues } of polled) {
      const place = partitionName(topic, partition)
      const order = index.get(place)
      const cursor = `${process} ${place}`
      // Forgotten, as all of a page may be gone by compaction, and the next goes on from it.
      if (!continues) polledLast.delete(cursor)
      let before = polledLast.get(cursor)
      for (const { offset, value } of records) {
        const at = order?.get(offset)
        if (at === undefined) continue // A lost write, reported as one.
        if (before !== undefined && at <= before) {
          yield {
            name: 'nonmonotonic-poll',
            example: `${process} read ${value} at ${place}@${offset} after a later record`,
          }
        }
        if (before !== undefined && at > before + 1) {
          yield {
            name: 'poll-skip',
            example: `${process} passed over ${at - before - 1} records before ${place}@${offset}`,
          }
        }
        before = at
      }
      if (before !== undefined) polledLast.set(cursor, before)
    }
    if (outcome !== 'ok') continue
    // Within a call the records of one partition are in order; what was sent after a call is behind all of it.
    const own = new Map<string, number>()
    const sentNow = new Map<string, number>()
    for (const { topic, value, partition, offset } of sent) {
      if (offset === undefined) continue
      const cursor = `${process} ${topic}`
      const last = Math.max(sentLast.get(cursor) ?? -1, own.get(`${topic} ${partition}`) ?? -1)
      if (offset <= last) {
        yield { name: 'nonmonotonic-send', example: `${process} sent ${value} to ${topic}@${offset} after ${last}` }
      }
      own.set(`${topic} ${partition}`, offset)
      sentNow.set(cursor, Math.max(sentNow.get(cursor) ?? -1, offset))
    }
    for (const [cursor, offset] of sentNow) sentLast.set(cursor, offset)
  }
}
