import { parseDuration } from '@aegis/log'
import type { EventInput } from '../event.ts'
import { invalid } from '../invalid.ts'

/** When a timer is due: so long after now (milliseconds or `'15m'`), or at a time (milliseconds since the epoch, or a Date). */
export type When = { readonly after: number | string } | { readonly at: number | Date }

/** What a workflow does. Made by `publish`, `send`, `schedule`, `cancel` and `complete`. */
export type WorkflowOutput<
  Input extends EventInput = EventInput,
  Output extends EventInput = EventInput,
  Command = unknown,
> =
  | { readonly action: 'publish'; readonly streamId: string; readonly events: readonly Output[] }
  | { readonly action: 'send'; readonly command: Command }
  | { readonly action: 'schedule'; readonly timer: string; readonly message: Input; readonly when: When }
  | { readonly action: 'cancel'; readonly timer: string }
  | { readonly action: 'complete' }

/** Appends events to a stream. */
export function publish<E extends EventInput>(
  streamId: string,
  events: E | readonly E[],
): { action: 'publish'; streamId: string; events: readonly E[] } {
  const isList = (given: E | readonly E[]): given is readonly E[] => Array.isArray(given)
  return { action: 'publish', streamId, events: isList(events) ? events : [events] }
}

/** Has the workflow's `send` carry out a command. */
export const send = <Command>(command: Command): { action: 'send'; command: Command } => ({ action: 'send', command })

/**
 * Has the instance get a message as its input when a time has come and the events that are stored by then are reacted to. A timer
 * of the same name is replaced.
 */
export const schedule = <E extends EventInput>(
  timer: string,
  message: E,
  when: When,
): { action: 'schedule'; timer: string; message: E; when: When } => ({ action: 'schedule', timer, message, when })

/** Forgets a timer of the instance; one that is not there is no error. */
export const cancel = (timer: string): { action: 'cancel'; timer: string } => ({ action: 'cancel', timer })

/** Ends the instance: its state and timers go, and it reacts to nothing any more. */
export const complete = (): { action: 'complete' } => ({ action: 'complete' })

/** @throws AegisError `EVENT_INVALID`, `LOG_INVALID` */
export function dueTime(timer: string, when: When, now: number): number {
  const due = 'at' in when ? Number(when.at) : now + parseDuration(`after of timer ${timer}`, when.after)
  if (Number.isSafeInteger(due) && due >= 0) return due
  throw invalid(`timer ${timer} is to be due at ${String('at' in when ? when.at : due)}: give milliseconds or a Date`)
}
