import { eventsTopic } from '../event-codec.ts'
import type { EventLog } from '../event-log.ts'

/** The offset of the first event from one position on that is below another. */
export async function firstBetween({ log }: EventLog, from: number, end: number): Promise<number | undefined> {
  if (from >= end) return undefined
  const [record] = (await log.read(eventsTopic, 0, { from, maxRecords: 1 })).records
  return record === undefined || record.offset >= end ? undefined : record.offset
}

/**
 * Waits until everything that is stored is passed.
 * @param wait Waits for one position.
 */
export async function catchUp(
  events: EventLog,
  end: number,
  position: () => number,
  wait: (position: number) => Promise<void>,
): Promise<void> {
  for (;;) {
    const next = await firstBetween(events, position(), end)
    if (next === undefined) return
    await wait(next)
  }
}
