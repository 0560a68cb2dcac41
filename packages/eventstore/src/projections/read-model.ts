import type { Log, Untyped } from '@aegis/log'
import { eventLogOf } from '../event-log.ts'
import type { EventStore } from '../event-store.ts'
import { type AsyncProjection, checkProjection, type ReadModel } from './async-projection.ts'
import { Documents } from './documents.ts'
import { documentSpace, inlineProjection, readProjection } from './stored-projection.ts'

/** The read model of one build of a projection. */
export async function modelOf(
  log: Log,
  { name, into }: AsyncProjection<Untyped, Untyped>,
  build: number,
): Promise<ReadModel> {
  return into === undefined ? new Documents(log, documentSpace(name, build)) : into(build)
}

/**
 * The read model of a projection as it is read now. Ask for it each time you read: after a rebuild it is another one. A
 * model that is kept goes on showing what it was then, until the next rebuild or start of the projection.
 */
export async function readModel<Model extends ReadModel = Documents>(
  store: EventStore,
  projection: AsyncProjection<Untyped, Model>,
): Promise<Model> {
  checkProjection(projection)
  const events = eventLogOf(store)
  await events.prepare()
  const { log } = events
  const stored = await readProjection(log, projection.name)
  const now = stored?.inline === true ? inlineProjection(log, stored.version, stored) : stored
  return (await modelOf(log, projection, now?.live ?? 1)) as Model
}
