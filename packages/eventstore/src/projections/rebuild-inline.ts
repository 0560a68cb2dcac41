import type { Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { eventsTopic } from '../event-codec.ts'
import { eventFilter } from '../event-filter.ts'
import { type EventLog, eventLogOf } from '../event-log.ts'
import type { EventStore } from '../event-store.ts'
import { catchUp } from '../processors/catch-up.ts'
import { claim } from '../processors/claims.ts'
import { EventProcessor } from '../processors/event-processor.ts'
import { type AsyncProjection, checkProjection, forgetIn } from './async-projection.ts'
import { madeNoMore, switchBuild } from './inline-projection.ts'
import { dropOldBuilds } from './old-builds.ts'
import { modelOf } from './read-model.ts'
import type { RebuildOptions } from './running-projection.ts'
import {
  changeProjection,
  checkpointOf,
  firstProjection,
  inlineProjection,
  readProjection,
  type StoredProjection,
} from './stored-projection.ts'

/** Rounds in which a build runs after the end of the events before appends have to wait for it. */
const rounds = 3

/**
 * Makes the read model of an `inline` projection anew from the events that are stored, beside the one that is read and appended to.
 * When it is as far, appends wait for a moment, and from then on go to the new one, which is read. The one before stays until the
 * next rebuild. Interrupted, it goes on when it is called again.
 * @throws AegisError `EVENT_PROCESSOR_FAILED` for an event that cannot be applied: the model before goes on; `EVENT_PROCESSOR_RUNNING`,
 * `EVENT_INVALID`
 */
export async function rebuildInline(
  store: EventStore,
  projection: AsyncProjection<Untyped, Untyped>,
  { onProgress }: RebuildOptions = {},
): Promise<void> {
  checkProjection(projection)
  const events = eventLogOf(store)
  await events.prepare()
  const { log } = events
  const { name, version = 1 } = projection
  const release = claim(log, [`projection ${name}`])
  try {
    await dropOldBuilds(log, projection)
    const change = (to: (stored: StoredProjection) => StoredProjection): Promise<StoredProjection> =>
      changeProjection(log, name, (stored = firstProjection(log, version)) => to(stored))
    const begun = await change(before => {
      const stored = inlineProjection(log, version, before)
      const { building, old } = stored
      if (building?.version === version) return stored
      const build = stored.newest + 1
      const given = building === undefined ? old : [...old, building.build]
      return { ...stored, newest: build, building: { build, version }, old: given }
    })
    const { build } = begun.building!
    let end = 0
    const reachEnd = async (builder: EventProcessor): Promise<void> => {
      end = await log.endOffset(eventsTopic)
      await catchUp(
        events,
        end,
        () => builder.position,
        position => builder.waitFor(position),
      )
    }
    for (let switched = false; !switched; ) {
      const builder = await start(events, projection, build, position => onProgress?.({ position, end }))
      try {
        for (let round = 0; round < rounds; round++) await reachEnd(builder)
        switched = await switchBuild(log, name, build, async () => {
          await reachEnd(builder)
          // Before an append can go to the build as well, nothing else may.
          await builder.stop()
        })
      } catch (error) {
        if (!AegisError.is(error, 'EVENT_PROCESSOR_FAILED')) throw error
        // Another process was quicker with the same build.
        if ((await readProjection(log, name))?.live === build) return
        // What was made with what has failed is not to be gone on with.
        await change(stored => {
          const { building, ...rest } = stored
          return building?.build === build ? { ...rest, old: [...rest.old, build] } : stored
        })
        throw error
      } finally {
        await builder.stop()
      }
    }
  } finally {
    release()
  }
}

async function start(
  events: EventLog,
  projection: AsyncProjection<Untyped, Untyped>,
  build: number,
  advanced: (position: number) => void,
): Promise<EventProcessor> {
  const model = await modelOf(events.log, projection, build)
  const writers = new WeakMap<Transaction, Promise<Untyped>>()
  // Once it is read, appends write into it, and nothing else may: that it is not is in what each commit has read.
  const writerIn = async (tx: Transaction): Promise<Untyped> => {
    const stored = await readProjection(tx, projection.name)
    if (stored?.building?.build === build) return model.within(tx)
    throw madeNoMore(projection.name, build)
  }
  const within = (tx: Transaction): Promise<Untyped> => {
    let writer = writers.get(tx)
    if (writer === undefined) writers.set(tx, (writer = writerIn(tx)))
    return writer
  }
  return EventProcessor.start(
    events,
    {
      name: `projection ${projection.name}`,
      checkpoint: checkpointOf(projection.name, build),
      filter: eventFilter(projection, events.codec.renames),
      onError: 'stop',
      handle: async (event, tx) => projection.apply(event, await within(tx), tx),
      forget: async (subject, _, tx) => forgetIn(projection, subject, await within(tx), tx),
      advanced,
      // Whoever waits for it is told.
      failed: () => undefined,
    },
    async () => 0,
  )
}
