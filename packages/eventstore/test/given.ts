import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventStore, StoredEvent } from '../src/index.ts'

/** A folder that goes when its scope ends. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'aegis-events-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Events of a subscription up to the first of type `'end'`, which is left out and appended here. */
export async function eventsOf(store: EventStore, streams: string): Promise<StoredEvent[]> {
  await store.append(streams.replace('*', ''), { type: 'end', data: null })
  const events: StoredEvent[] = []
  for await (const event of await store.subscribe(streams)) {
    if (event.type === 'end') break
    events.push(event)
  }
  return events
}

/** Throws unless positions rise and the versions of each stream are dense from 0. */
export function checkOrder(events: readonly StoredEvent[]): void {
  const versions = new Map<string, number>()
  let last = -1
  for (const { streamId, version, position } of events) {
    const expected = versions.get(streamId) ?? 0
    if (version !== expected || position <= last) {
      throw new Error(`${streamId} version ${version} at ${position}, after ${expected - 1} and ${last}`)
    }
    versions.set(streamId, version + 1)
    last = position
  }
}
