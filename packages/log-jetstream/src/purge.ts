import type { Domain } from './domain.ts'

/** Deletes the messages on a subject, or on any that fits a wildcard, below a sequence; left out: all. */
export async function purge({ manager, stream, patience }: Domain, filter: string, below?: number): Promise<void> {
  const what = below === undefined ? { filter } : { filter, seq: below }
  await patience.request(`purging ${filter}`, () => manager.streams.purge(stream, what))
}
