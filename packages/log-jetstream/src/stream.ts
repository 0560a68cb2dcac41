import { AegisError } from '@aegis/storage'
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'
import type { Features } from './features.ts'
import type { Patience } from './patience.ts'
import type { Subjects } from './subjects.ts'

const streamNotFound = 10059
const nameInUse = 10058

/** A message that is sent again within it is stored once. Longer than a request is repeated. */
const duplicateWindow = 120_000

/** Finds the stream of a domain, or makes it. @throws AegisError `CONNECT_INVALID` when it cannot be used */
export async function openStream(
  manager: JetStreamManager,
  name: string,
  subjects: Subjects,
  features: Features,
  replicas: number | undefined,
  patience: Patience,
): Promise<{ readonly replicas: number }> {
  if (replicas !== undefined && ![1, 3, 5].includes(replicas)) {
    throw new AegisError('CONNECT_INVALID', `replicas is ${String(replicas)}: give 1, 3 or 5`)
  }
  const wanted: Partial<StreamConfig> & { name: string } = {
    name,
    subjects: [subjects.all],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    // Nothing is ever dropped to make room: a full stream refuses what is new.
    discard: DiscardPolicy.New,
    num_replicas: replicas ?? 1,
    duplicate_window: nanos(duplicateWindow),
    allow_rollup_hdrs: true,
    deny_delete: false,
    allow_direct: features.directBatches,
    ...(features.timeToLive && { allow_msg_ttl: true }),
    ...(features.transactions && { allow_atomic: true }),
  }
  const found = await patience.request('looking for the stream', async () => {
    try {
      return await manager.streams.info(name)
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === streamNotFound) return undefined
      throw error
    }
  })
  const { config } =
    found ??
    (await patience.request('making the stream', async () => {
      try {
        return await manager.streams.add(wanted)
      } catch (error) {
        // Somebody else makes it at this moment.
        if (error instanceof JetStreamApiError && error.code === nameInUse) return manager.streams.info(name)
        throw error
      }
    }))
  check(config, wanted)
  const upgrade = found !== undefined && features.transactions && config.allow_atomic !== true
  if (upgrade) {
    await patience.request('upgrading the stream', () =>
      manager.streams.update(name, { allow_atomic: true, allow_msg_ttl: true, allow_direct: true }),
    )
  }
  return { replicas: config.num_replicas }
}

function check(config: StreamConfig, { name, subjects: [subject] = [], num_replicas }: Partial<StreamConfig>): void {
  if (config.subjects.length !== 1 || config.subjects[0] !== subject) {
    throw new AegisError(
      'CONNECT_INVALID',
      `domain ${name}: there is a stream of this name with other subjects (${config.subjects.join(', ')}): give another domain`,
    )
  }
  if (config.duplicate_window < nanos(duplicateWindow)) {
    throw new AegisError(
      'CONNECT_INVALID',
      `domain ${name}: its stream knows repeated messages for ${config.duplicate_window / 1e9} s: make it ${duplicateWindow / 1e3} (nats stream edit --dupe-window)`,
    )
  }
  if (num_replicas !== undefined && num_replicas > 1 && config.num_replicas !== num_replicas) {
    throw new AegisError(
      'CONNECT_INVALID',
      `replicas is ${num_replicas}, and domain ${name} has ${config.num_replicas}: leave it out, or change the stream`,
    )
  }
}
