import { type Anomaly, type History, keyName, type Operation, partitionName, type Sent } from '../history.ts'

const certainty = { failed: 0, unknown: 1, ok: 2 }

/** What is wrong with single records: two at one place, one at two places, gone, or never written. */
export function* recordAnomalies({ operations, final }: History): Generator<Anomaly> {
  const places = new Map<string, string>()
  const values = new Map<string, string>()
  const seen = new Map<string, string>()
  const record = function* (value: string, topic: string, partition: number, offset: number): Generator<Anomaly> {
    // Offsets count over the whole topic, so the partition is not part of the place.
    const place = `${topic}@${offset}`
    const where = `${partitionName(topic, partition)}@${offset}`
    const other = values.get(place)
    if (other !== undefined && other !== value) {
      yield { name: 'inconsistent-offsets', example: `${where} holds ${other} and ${value}` }
    }
    values.set(place, value)
    const before = places.get(value)
    if (before !== undefined && before !== where) {
      yield { name: 'duplicate', example: `${value} is at ${before} and ${where}` }
    }
    places.set(value, where)
  }
  const outcome = new Map<string, Operation['outcome']>()
  const rows = new Map<string, Sent>()
  for (const operation of operations) {
    for (const row of operation.sent) {
      const { topic, value, partition, offset } = row
      // Two members may try to write the same: the one who was paused is refused, after the other has done it.
      const known = outcome.get(value)
      if (known === undefined || certainty[operation.outcome] > certainty[known]) outcome.set(value, operation.outcome)
      if (row.key !== undefined) rows.set(value, row)
      if (partition !== undefined && offset !== undefined) yield* record(value, topic, partition, offset)
    }
    for (const { topic, partition, records } of operation.polled) {
      for (const { offset, value } of records) {
        yield* record(value, topic, partition, offset)
        seen.set(value, `${partitionName(topic, partition)}@${offset}`)
      }
    }
  }
  const stored = new Set<string>()
  for (const [partition, records] of final.records) {
    for (const { offset, value } of records) {
      const [topic = '', number = ''] = partition.split('/')
      yield* record(value, topic, Number(number), offset)
      stored.add(value)
      seen.set(value, `${partition}@${offset}`)
    }
  }
  // Of a compacted topic a record may be gone when a later one of its key is there.
  const replaced = (value: string): boolean => {
    const row = rows.get(value)
    if (row?.key === undefined) return false
    const offset = Number(places.get(value)?.split('@')[1])
    return (final.rows.get(keyName(row.topic, row.key)) ?? -1) > offset
  }
  for (const [value, where] of seen) {
    const known = outcome.get(value)
    if (known === 'failed') yield { name: 'aborted-read', example: `${value} at ${where} was refused, and read` }
    if (known === undefined) yield { name: 'unwritten-read', example: `${value} at ${where} was never written` }
    // What was read once was durable, whatever its writer came to know.
    if (!stored.has(value) && !replaced(value))
      yield { name: 'lost-write', example: `${value} was read at ${where} and is gone` }
  }
  for (const [value, known] of outcome) {
    if (known === 'ok' && !stored.has(value) && !seen.has(value) && !replaced(value)) {
      yield { name: 'lost-write', example: `${value} was acknowledged and is not there` }
    }
  }
}
