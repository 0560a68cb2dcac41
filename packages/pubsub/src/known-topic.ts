import type { Log, Readable, TopicDescription } from '@aegis/log'
import { AegisError } from '@aegis/storage'

/** @throws AegisError `TOPIC_NAME_INVALID` */
export function nameOf(topic: string | Readable<unknown>): string {
  const name = typeof topic === 'string' ? topic : topic?.topic
  if (typeof name !== 'string') {
    throw new AegisError(
      'TOPIC_NAME_INVALID',
      `topic ${JSON.stringify(topic) ?? String(topic)}: give a name, or what defineTopic gives`,
    )
  }
  if (name.startsWith('$'))
    throw new AegisError('TOPIC_NAME_INVALID', `topic ${name}: names that start with $ are reserved`)
  return name
}

/** What the log has in memory may lack a topic that another process has just created: then it is asked for. */
export async function knownTopic(log: Log, name: string): Promise<TopicDescription> {
  try {
    return log.topic(name)
  } catch (error) {
    if (!AegisError.is(error, 'TOPIC_UNKNOWN')) throw error
    return log.describeTopic(name)
  }
}

/** The log is closed, or has failed and says so to everybody: what runs in the background has nothing to do any more. */
export const isLogGone = (error: unknown): boolean =>
  AegisError.is(error) && ['LOG_CLOSED', 'STORAGE_CLOSED', 'STORAGE_FENCED'].includes(error.code)
