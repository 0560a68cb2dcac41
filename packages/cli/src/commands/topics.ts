import type { TopicDetails } from '@aegis/log'
import { exitCodes } from '../exit-codes.ts'
import { openFolder } from '../open-folder.ts'
import { duration, size, table } from '../table.ts'
import type { Command } from './command.ts'

export const topics: Command = {
  usage: '<folder> [topic]',
  summary: 'Lists the topics, or shows one with its partitions.',
  takes: [1, 2],
  async run([folder = '', name], terminal) {
    await using opened = await openFolder(folder)
    const { log } = opened
    if (name !== undefined) {
      const topic = await log.describeTopic(name)
      terminal.result(topic, partitionTable(topic))
      return exitCodes.done
    }
    const names = (await log.listTopics()).map(topic => topic.name).sort()
    const all = await Promise.all(names.map(topic => log.describeTopic(topic)))
    terminal.result(all, topicTable(all))
    return exitCodes.done
  },
}

const sum = (topic: TopicDetails, of: 'records' | 'bytes') =>
  topic.partitionDetails.reduce((total, partition) => total + partition[of], 0)

function topicTable(all: readonly TopicDetails[]): string[] {
  return table(
    ['TOPIC', 'KEYED', 'PARTITIONS', 'RECORDS', 'SIZE', 'RETENTION'],
    all.map(topic => [
      topic.name,
      topic.keyed,
      topic.partitions,
      sum(topic, 'records'),
      size(sum(topic, 'bytes')),
      kept(topic),
    ]),
  )
}

function kept({ retention, retentionBytes }: TopicDetails): string {
  const limits = [
    retention === null ? undefined : duration(retention),
    retentionBytes === null ? undefined : `${size(retentionBytes)} a partition`,
  ].filter(limit => limit !== undefined)
  return limits.length === 0 ? 'for ever' : limits.join(', ')
}

function partitionTable({ partitionDetails }: TopicDetails): string[] {
  return table(
    ['PARTITION', 'START', 'END', 'RECORDS', 'SIZE', 'NEWEST'],
    partitionDetails.map(({ partition, startOffset, endOffset, records, bytes, newestTimestamp }) => [
      partition,
      startOffset,
      endOffset,
      records,
      size(bytes),
      newestTimestamp === null ? '-' : new Date(newestTimestamp).toISOString(),
    ]),
  )
}
