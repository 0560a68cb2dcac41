import type { GroupSummary, Log } from '@aegis/log'
import { type JobStats, type JobStatus, runningJobs } from '@aegis/processing'
import { AegisError } from '@aegis/storage'

export interface TopicStats {
  readonly name: string
  readonly partitions: number
  /** Records that are there now. */
  readonly records: number
  /** Bytes of the stored batches, before compression. */
  readonly bytes: number
  /** The offset after the newest record's. */
  readonly end: number
}

export interface GroupStats extends GroupSummary {
  /** Records that the group has still to read, all partitions together. */
  readonly lag: number
}

export interface ProcessorStats extends JobStats {
  readonly id: string
  readonly status: JobStatus
}

export interface EngineStats {
  /** Milliseconds since the engine was opened. */
  readonly uptime: number
  /** Commits since the log was opened; publishes that wait together share one. */
  readonly commits: number
  /** By name; tables and event streams too, as `$table.<name>` and `$events`. */
  readonly topics: readonly TopicStats[]
  /** By topic, then group. */
  readonly groups: readonly GroupStats[]
  /** The processors that run. */
  readonly processors: readonly ProcessorStats[]
}

export async function readStats(log: Log, uptime: number): Promise<EngineStats> {
  const topics = await Promise.all((await log.listTopics()).map(({ name }) => unlessDeleted(topicStats(log, name))))
  const groups = await Promise.all((await log.listGroups()).map(group => unlessDeleted(groupStats(log, group))))
  return {
    uptime,
    commits: log.commits,
    topics: topics.filter(topic => topic !== undefined).sort((a, b) => order(a.name, b.name)),
    groups: groups
      .filter(group => group !== undefined)
      .sort((a, b) => order(a.topic, b.topic) || order(a.groupId, b.groupId)),
    processors: runningJobs(log).map(job => ({ id: job.id, status: job.status, ...job.stats() })),
  }
}

async function topicStats(log: Log, name: string): Promise<TopicStats> {
  const { partitions, partitionDetails, endOffset: end } = await log.describeTopic(name)
  const total = (field: 'records' | 'bytes') => partitionDetails.reduce((sum, partition) => sum + partition[field], 0)
  return { name, partitions, records: total('records'), bytes: total('bytes'), end }
}

async function groupStats(log: Log, group: GroupSummary): Promise<GroupStats> {
  const lags = await log.lag(group.groupId, group.topic)
  return { ...group, lag: lags.reduce((sum, { lag }) => sum + lag, 0) }
}

/** A topic may be deleted between the list and the look at it. */
async function unlessDeleted<T>(stats: Promise<T>): Promise<T | undefined> {
  try {
    return await stats
  } catch (error) {
    if (AegisError.is(error, 'TOPIC_UNKNOWN')) return undefined
    throw error
  }
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
