import assert from 'node:assert/strict'
import { openLog, type Untyped } from '@aegis/log'
import type { EventInput } from '../event.ts'
import { EventStore } from '../event-store.ts'
import { invalid } from '../invalid.ts'
import type { AsyncProjection, ReadModel } from '../projections/async-projection.ts'
import { Documents } from '../projections/documents.ts'
import { startProjections } from '../projections/projection-runner.ts'
import { readModel } from '../projections/read-model.ts'

/** An event and its stream. */
export type EventOfStream<E extends EventInput = EventInput> = E & { readonly streamId: string }

/** What has happened, and what is to be in the read model. */
export interface ProjectionSpecification<E extends EventInput, Model extends ReadModel> {
  given(...events: readonly EventOfStream<E>[]): {
    /**
     * All documents by key, or a function that looks into the model. Both are tried twice: after the events were applied one
     * by one, and after a rebuild.
     */
    thenExpect(expected: Readonly<Record<string, unknown>> | ((model: Model) => Promise<void> | void)): Promise<void>
  }
}

/**
 * Specifies a projection: `given` events, `thenExpect` documents. It is run as it will be, over a log in memory; an event that
 * cannot be applied rejects with what was thrown in `cause`.
 * @example await projectionSpecification(balances).given({ streamId: 'account-1', ...deposited }).thenExpect({ 'account-1': 5 })
 */
export function projectionSpecification<E extends EventInput, Model extends ReadModel = Documents>(
  projection: AsyncProjection<E, Model>,
): ProjectionSpecification<E, Model> {
  return {
    given: (...events) => ({
      async thenExpect(expected) {
        await using log = await openLog({ memory: true })
        const store = new EventStore(log)
        await using runner = await startProjections(store, [projection as AsyncProjection<Untyped, Model>], {
          onFailure: () => undefined,
        })
        const check = async (): Promise<void> => {
          const model = await readModel(store, projection as AsyncProjection<Untyped, Model>)
          if (typeof expected === 'function') await expected(model)
          else assert.deepEqual(await documentsOf(model), { ...expected })
        }
        for (const { streamId, ...event } of events as readonly EventOfStream[]) await store.append(streamId, event)
        await runner.caughtUp(projection.name)
        await check()
        await runner.rebuild(projection.name)
        await check()
      },
    }),
  }
}

async function documentsOf(model: ReadModel): Promise<Record<string, unknown>> {
  if (!(model instanceof Documents))
    throw invalid('the projection has a model of its own: give thenExpect a function of it')
  const documents: [string, unknown][] = []
  for await (const entry of model.scan()) documents.push(entry)
  return Object.fromEntries(documents)
}
