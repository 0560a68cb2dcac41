import type { Operator, Scope } from './operator.ts'

/** Lets the values through for which the function gives something true. */
export const filter = (keep: (value: unknown, context: Scope['context']) => unknown): Operator => ({
  kind: 'filter',
  compile: (next, name) => (value, scope) => {
    scope.operator = name
    if (keep(value, scope.context)) next(value, scope)
  },
})
