import type { ExpectedVersion } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Domain } from './domain.ts'
import { lastMessage } from './messages.ts'
import { offsetOf, recordCount, recordsOf, versionsOf } from './record-message.ts'
import type { StoredMessage } from './stored-message.ts'
import type { Topic } from './topic.ts'

/** The newest state of a key of a keyed topic. */
export interface Head {
  /** Of its last message; 0 when there is none. */
  readonly sequence: number
  /** Of its last record: on `'latest'` topics the offset; -1 when there is none. */
  readonly version: number
  /** Whether there is something to read: on `'latest'` topics not after a tombstone. A truncated history is there. */
  readonly exists: boolean
  /** On `'history'` topics, the first version that is kept. */
  readonly kept: number
}

function headOf(topic: Topic, message: StoredMessage | undefined): Head {
  if (message === undefined) return { sequence: 0, version: -1, exists: false, kept: 0 }
  const { sequence } = message
  if (topic.config.keyed === 'history') {
    const { last, kept } = versionsOf(message)
    return { sequence, version: last, exists: true, kept }
  }
  const version = offsetOf(sequence) + recordCount(message) - 1
  const [record] = recordsOf(topic.config.name, 0, message, version, false)
  return { sequence, version, exists: record !== undefined && record.value !== null, kept: 0 }
}

/** From memory if it is there: right unless another process has written since. */
export async function findHead(domain: Domain, topic: Topic, subject: string): Promise<Head> {
  const remembered = domain.recent.find(subject)
  return remembered === undefined ? readHead(domain, topic, subject) : headOf(topic, remembered.message)
}

/** From the stream's leader. */
export async function readHead(domain: Domain, topic: Topic, subject: string): Promise<Head> {
  domain.recent.forget(subject)
  const message = await lastMessage(domain, subject)
  domain.recent.saw(subject, message)
  return headOf(topic, message)
}

export function meets(expected: ExpectedVersion, { version, exists }: Head): boolean {
  if (expected === 'any') return true
  if (expected === 'no-stream') return !exists
  if (expected === 'stream-exists') return exists
  return exists && version === expected
}

export function versionConflict(topic: Topic, key: Uint8Array, expected: ExpectedVersion, head: Head): AegisError {
  const { name } = topic.config
  const actual = head.exists ? head.version : 'no-stream'
  const text = Buffer.from(key).toString('utf8').slice(0, 200)
  return new AegisError(
    'VERSION_CONFLICT',
    `key ${JSON.stringify(text)} of topic ${name} is at ${actual}, expected ${expected}: read it again and decide anew`,
    { details: { topic: name, expected, actual } },
  )
}
