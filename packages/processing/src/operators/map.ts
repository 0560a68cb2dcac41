import type { Operator, Scope } from './operator.ts'

/** Makes one value of each. */
export const map = (transform: (value: unknown, context: Scope['context']) => unknown): Operator => ({
  kind: 'map',
  compile: (next, name) => (value, scope) => {
    scope.operator = name
    next(transform(value, scope.context), scope)
  },
})
