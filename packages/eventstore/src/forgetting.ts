import type { Transaction } from '@aegis/log'
import { appendWithin } from './appending/append-within.ts'
import { prepareAppend } from './appending/prepare-append.ts'
import type { EventInput } from './event.ts'
import type { EventLog } from './event-log.ts'
import { forgottenType } from './event-protection.ts'
import { forgottenStream } from './streams/stream-id.ts'

/** Says that a subject was forgotten; `subject` is their id, which stays. */
export type SubjectForgotten = EventInput<typeof forgottenType, { readonly subject: string }>

/** The subject whom an event says to be forgotten. */
export function forgottenBy({ streamId, type, data }: EventInput & { readonly streamId: string }): string | undefined {
  const subject: unknown = streamId === forgottenStream && type === forgottenType ? data?.subject : undefined
  return typeof subject === 'string' ? subject : undefined
}

/** Says so in the transaction that forgets, in which inline projections hear of it. */
export async function announceForgotten(events: EventLog, tx: Transaction, subject: string): Promise<void> {
  const said: SubjectForgotten = { type: forgottenType, data: { subject } }
  await events.prepare()
  await appendWithin(events, tx, await prepareAppend(events, forgottenStream, said, {}))
}
