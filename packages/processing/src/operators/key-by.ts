import { checkKey } from '../window-key.ts'
import type { Operator, Scope } from './operator.ts'

/** Gives each value a key. */
export const keyBy = (key: (value: unknown, context: Scope['context']) => unknown): Operator => ({
  kind: 'keyBy',
  compile: (next, name) => (value, scope) => {
    scope.operator = name
    scope.key = checkKey(key(value, scope.context))
    next(value, scope)
  },
})
