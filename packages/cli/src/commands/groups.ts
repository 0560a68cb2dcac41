import type { GroupDescription } from '@aegis/log'
import { exitCodes } from '../exit-codes.ts'
import { openFolder } from '../open-folder.ts'
import { table } from '../table.ts'
import type { Command } from './command.ts'

export const groups: Command = {
  usage: '<folder> [group]',
  summary: 'Lists the groups with their lag, or shows one with its positions.',
  takes: [1, 2],
  async run([folder = '', groupId], terminal) {
    await using opened = await openFolder(folder)
    const { log } = opened
    const found = (await log.listGroups()).filter(group => groupId === undefined || group.groupId === groupId)
    const all = await Promise.all(found.map(group => log.describeGroup(group.groupId, group.topic)))
    all.sort((a, b) => compare(a.groupId, b.groupId) || compare(a.topic, b.topic))
    terminal.result(all, groupId === undefined ? groupTable(all) : positionTable(all))
    return exitCodes.done
  },
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function groupTable(all: readonly GroupDescription[]): string[] {
  return table(
    ['GROUP', 'TOPIC', 'LAG'],
    all.map(({ groupId, topic, positions }) => [groupId, topic, positions.reduce((total, { lag }) => total + lag, 0)]),
  )
}

function positionTable(all: readonly GroupDescription[]): string[] {
  const rows = all.flatMap(({ topic, positions }) =>
    positions.map(({ partition, position, lag }) => [topic, partition, position?.offset ?? null, lag]),
  )
  return table(['TOPIC', 'PARTITION', 'POSITION', 'LAG'], rows)
}
