import { toMilliseconds } from '../event-time.ts'
import type { Operator, Scope } from './operator.ts'

/** Gives each value its event time, and lets the watermark see it. */
export const timestampBy = (time: (value: unknown, context: Scope['context']) => unknown): Operator => ({
  kind: 'timestampBy',
  compile: (next, name) => (value, scope) => {
    scope.operator = name
    scope.time = toMilliseconds(time(value, scope.context))
    if (scope.time > scope.newest) scope.newest = scope.time
    next(value, scope)
  },
})
