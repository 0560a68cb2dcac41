import type { Log, Untyped } from '@aegis/log'
import type { AsyncProjection } from './async-projection.ts'
import { modelOf } from './read-model.ts'
import { changeProjection, checkpointOf, firstProjection, type StoredProjection } from './stored-projection.ts'

/** Drops the builds that nobody is to read any more; gives what is stored then. */
export async function dropOldBuilds(
  log: Log,
  projection: AsyncProjection<Untyped, Untyped>,
): Promise<StoredProjection> {
  const { name, version = 1 } = projection
  const change = (to: (stored: StoredProjection) => StoredProjection): Promise<StoredProjection> =>
    changeProjection(log, name, (stored = firstProjection(log, version)) => to(stored))
  let stored = await change(same => same)
  for (const build of stored.old) {
    await (await modelOf(log, projection, build)).truncate()
    await log.transaction(tx => checkpointOf(name, build).clear(tx))
    stored = await change(({ old, ...rest }) => ({ ...rest, old: old.filter(other => other !== build) }))
  }
  return stored
}
