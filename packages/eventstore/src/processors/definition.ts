import { AegisError } from '@aegis/storage'
import { type EventFilter, eventFilter } from '../event-filter.ts'
import { invalid } from '../invalid.ts'
import type { OnError } from './event-processor.ts'

/** What projections and workflows have in common. */
interface Definition extends EventFilter {
  readonly name: string
  readonly onError?: OnError
}

/** @param kind `projection`, for messages. @throws AegisError `EVENT_INVALID` */
export function checkDefinition(kind: string, { name, onError = 'stop', ...filter }: Definition): void {
  if (typeof name !== 'string' || name === '' || name.length > 200 || !name.isWellFormed())
    throw invalid(`name of a ${kind} is ${JSON.stringify(name)}: give well-formed text of 1 to 200 characters`)
  if (!['stop', 'skip'].includes(onError))
    throw invalid(`onError of ${kind} ${name} is ${JSON.stringify(onError)}: give 'stop' or 'skip'`)
  eventFilter(filter)
}

/** @param label `projection balances` */
export const closedError = (label: string): AegisError =>
  new AegisError('EVENT_PROCESSOR_CLOSED', `${label} was closed: start it again`)

/** What becomes of a failure that nobody has asked to be told of. */
export const warnOf =
  (kind: string) =>
  (name: string, error: unknown): void =>
    process.emitWarning(`${kind} ${name} failed: ${String(error)}`)
