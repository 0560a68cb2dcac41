import { setTimeout } from 'node:timers/promises'
import type { Log, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { BindableProjection, Projection } from '../projection.ts'
import { type AsyncProjection, checkProjection, forgetIn, type ReadModel } from './async-projection.ts'
import { modelOf } from './read-model.ts'
import {
  changeProjection,
  firstProjection,
  inlineProjection,
  readProjection,
  writeProjection,
} from './stored-projection.ts'

/**
 * A projection with a read model of its own that is applied in the commit of each append: to be given to the store as one of
 * `projections`, and built anew by `rebuildInline`. It is not to be started with `startProjections` as well.
 * @throws AegisError `EVENT_INVALID`
 */
export function inline(projection: AsyncProjection<Untyped, Untyped>): BindableProjection {
  checkProjection(projection)
  return { bind: log => boundTo(log, projection) }
}

function boundTo(log: Log, projection: AsyncProjection<Untyped, Untyped>): Projection<Untyped> {
  const { name, streams, types, version = 1 } = projection
  const models = new Map<number, Promise<ReadModel>>()
  // Asked once for all events of an append.
  const live = new WeakMap<Transaction, Promise<ReadModel>>()
  const modelIn = (tx: Transaction): Promise<ReadModel> => {
    const known =
      live.get(tx) ??
      liveBuild(log, tx, name, version).then(build => {
        let model = models.get(build)
        if (model === undefined) models.set(build, (model = modelOf(log, projection, build)))
        return model
      })
    live.set(tx, known)
    return known
  }
  return {
    name,
    ...(streams !== undefined && { streams }),
    ...(types !== undefined && { types }),
    apply: async (event, tx) => projection.apply(event, (await modelIn(tx)).within(tx), tx),
    forget: async (subject, tx) => forgetIn(projection, subject, (await modelIn(tx)).within(tx), tx),
  }
}

/**
 * The build that is read. It is in what the transaction has read, so that an append that began before a switch is made again after
 * it. While a switch goes on appends wait; one that does not come to its end is called off by the first who waits no more.
 */
async function liveBuild(log: Log, tx: Transaction, name: string, version: number): Promise<number> {
  const before = await readProjection(tx, name)
  const stored = inlineProjection(log, version, before)
  if (stored !== before) writeProjection(tx, name, stored)
  if (stored.switching === undefined) return stored.live
  const { switching, ...rest } = stored
  if (switching <= log.now()) {
    writeProjection(tx, name, rest)
    return stored.live
  }
  await untilSwitched(log, name, switching)
  throw new AegisError('TRANSACTION_CONFLICT', `projection ${name} was being switched to another build: try again`)
}

async function untilSwitched(log: Log, name: string, until: number): Promise<void> {
  while (until > log.now()) {
    await setTimeout(2)
    if ((await readProjection(log, name))?.switching !== until) return
  }
}

/** Appends wait at most so long for a switch, in milliseconds. */
const longestSwitch = 5_000

export const madeNoMore = (name: string, build: number): AegisError =>
  new AegisError(
    'EVENT_PROCESSOR_CLOSED',
    `build ${build} of projection ${name} is made no more: another process has begun it anew, or has it read`,
  )

/**
 * Keeps appends waiting while `work` brings a build to where they are, and has it read then; gives false when that took too long, and
 * nothing has changed.
 * @throws AegisError `EVENT_PROCESSOR_CLOSED` when another process has given the build up
 */
export async function switchBuild(log: Log, name: string, build: number, work: () => Promise<void>): Promise<boolean> {
  const until = log.now() + longestSwitch
  const begun = await changeProjection(log, name, (stored = firstProjection(log, 1)) =>
    stored.building?.build === build ? { ...stored, switching: until } : stored,
  )
  if (begun.live === build) return true
  if (begun.building?.build !== build) throw madeNoMore(name, build)
  const end = async (reached: boolean): Promise<boolean> => {
    let switched = false
    await changeProjection(log, name, (stored = firstProjection(log, 1)) => {
      switched = false
      // Somebody has waited too long, and has appended to the build before.
      if (stored.switching !== until) return stored
      const { switching: _, building, ...rest } = stored
      switched = reached && building?.build === build
      if (switched) return { ...rest, live: build, old: [...rest.old, rest.live] }
      return { ...rest, ...(building && { building }) }
    })
    return switched
  }
  try {
    await work()
  } catch (error) {
    await end(false)
    throw error
  }
  return end(true)
}
