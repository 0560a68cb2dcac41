import { type Anomaly, type History, type Position, partitionName } from '../history.ts'

const nameOf = ({ group, topic, partition }: Position): string => `${group} ${partitionName(topic, partition)}`

/** What is wrong with committed positions: fallen back, beyond the end, or forgotten. */
export function* positionAnomalies({ operations, final }: History): Generator<Anomaly> {
  const ends = new Map<string, number>()
  for (const [partition, records] of final.records) {
    const topic = partition.split('/')[0]!
    // Offsets count over the whole topic: a position may pass what lies in other partitions.
    ends.set(topic, Math.max(ends.get(topic) ?? 0, (records.at(-1)?.offset ?? -1) + 1))
  }
  const committing = operations.filter(({ outcome, committed }) => outcome === 'ok' && committed.length > 0)
  const acknowledged = committing
    .flatMap(({ start, end, committed }) => committed.map(position => ({ start, end, position })))
    .sort((a, b) => a.end - b.end)
  const highest = new Map<string, number>()
  let before = 0
  for (const { start, position } of acknowledged.toSorted((a, b) => a.start - b.start)) {
    // Of two at the same time, whichever was told first may have been stored last.
    for (let known = acknowledged[before]; known !== undefined && known.end < start; known = acknowledged[++before]) {
      const name = nameOf(known.position)
      highest.set(name, Math.max(highest.get(name) ?? 0, known.position.offset))
    }
    const fallen = highest.get(nameOf(position)) ?? 0
    if (position.offset < fallen) {
      yield { name: 'position-regression', example: `${nameOf(position)} fell from ${fallen} to ${position.offset}` }
    }
    const end = ends.get(position.topic) ?? 0
    if (position.offset > end) {
      yield { name: 'position-overrun', example: `${nameOf(position)} is ${position.offset}, the end is ${end}` }
    }
  }
  for (const { outcome, start, committedReads } of operations) {
    if (outcome === 'failed') continue
    for (const read of committedReads) {
      for (const { end, position } of acknowledged) {
        if (end >= start || nameOf(position) !== nameOf(read)) continue
        if (position.offset > read.offset) {
          yield {
            name: 'position-lost',
            example: `${nameOf(read)} was read as ${read.offset} after ${position.offset}`,
          }
          break
        }
      }
    }
  }
  for (const { position } of acknowledged) {
    highest.set(nameOf(position), Math.max(highest.get(nameOf(position)) ?? 0, position.offset))
  }
  const last = new Map(final.positions.map(position => [nameOf(position), position.offset]))
  for (const [name, offset] of highest) {
    const stored = last.get(name) ?? 0
    if (stored < offset) yield { name: 'position-lost', example: `${name} was ${offset} and is ${stored} at the end` }
  }
}
