import type { LogRecord } from '@aegis/log'
import type { Window } from '../aggregation.ts'
import type { WindowKey } from '../window-key.ts'

/** What goes along with a value on its way through the operators. */
export interface Scope {
  /** Second argument of the user's functions: the record of the source, or behind `aggregate` the window. */
  context: LogRecord | Window
  /** Event time in milliseconds since the epoch. */
  time: number
  /** Newest event time that the record has shown; -Infinity: none. */
  newest: number
  /** `undefined` until there is a `keyBy`. */
  key: WindowKey | undefined
  /** The operator whose function runs, for the message if it throws. */
  operator: string
}

export type Step = (value: unknown, scope: Scope) => void

/** One step of a topology, compiled into a function that calls the next. */
export interface Operator {
  readonly kind: string
  compile(next: Step, name: string): Step
}

/** The operators as one function, the first one first. */
export function compileOperators(operators: readonly Operator[], last: Step): Step {
  return operators.reduceRight(
    (next, operator, at) => operator.compile(next, `${operator.kind} (operator ${at + 1})`),
    last,
  )
}
