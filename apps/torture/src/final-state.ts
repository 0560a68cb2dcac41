import type { Log } from '@aegis/log'
import { type FinalState, keyName, type Position, partitionName } from './history.ts'
import { type Group, groupId, keys, partitions, text, topics } from './topics.ts'

export const noState: FinalState = {
  records: new Map(),
  histories: new Map(),
  positions: [],
  rows: new Map(),
  streams: new Map(),
  dead: new Map(),
  drained: [],
}

const deadLetters = `${topics.jobs}.dead`

/** Reads everything that is in the log, record by record. `drained`: the groups that have taken all there was. */
export async function readFinalState(log: Log, drained: readonly Group[] = []): Promise<FinalState> {
  const records: FinalState['records'] = new Map()
  const found = new Map(records)
  const topicsThere = await log.listTopics()
  const histories = new Map<string, string[]>()
  const positions: Position[] = []
  const dead = new Map<string, Set<string>>()
  // A power cut may have taken everything that was not synced.
  if (topicsThere.length === 0) return noState
  for (const { name, partitions: count } of topicsThere) {
    for (let partition = 0; partition < count; partition++) {
      const list: { offset: number; value: string }[] = []
      for (let from = 0; from < (await log.endOffset(name)); ) {
        const page = await log.read(name, partition, { from, maxRecords: 1000 })
        for (const { offset, value, headers } of page.records) {
          list.push({ offset, value: text(value) })
          if (name !== deadLetters) continue
          const group = text(headers.find(({ key }) => key === 'dead-letter-group')?.value ?? null)
          dead.set(group, (dead.get(group) ?? new Set()).add(text(value)))
        }
        from = page.nextOffset
      }
      if (name !== topics.keyed && name !== topics.streams && name !== deadLetters)
        found.set(partitionName(name, partition), list)
    }
  }
  for (const key of keys) {
    const versions = await log.history(topics.keyed, Buffer.from(key))
    if (versions.length > 0)
      histories.set(
        keyName(topics.keyed, key),
        versions.map(({ value }) => text(value)),
      )
  }
  for (let partition = 0; partition < partitions; partition++) {
    const position = await log.committed(groupId, topics.plain, partition)
    if (position !== undefined)
      positions.push({ group: groupId, topic: topics.plain, partition, offset: position.offset })
  }
  const there = new Set(topicsThere.map(({ name }) => name))
  const rows = new Map<string, number>()
  const streams = new Map<string, { version: number; value: string }[]>()
  for (const key of keys) {
    const row = there.has(topics.rows) ? await log.get(topics.rows, Buffer.from(key)) : undefined
    if (row !== undefined) rows.set(keyName(topics.rows, key), row.offset)
    if (!there.has(topics.streams)) continue
    const left = await log.history(topics.streams, Buffer.from(key))
    streams.set(
      keyName(topics.streams, key),
      left.map(({ version, value }) => ({ version, value: text(value) })),
    )
  }
  return { records: found, histories, positions, rows, streams, dead, drained }
}
