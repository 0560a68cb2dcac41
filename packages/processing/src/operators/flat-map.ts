import type { Operator, Scope } from './operator.ts'

/** Makes any number of values of each. */
export const flatMap = (expand: (value: unknown, context: Scope['context']) => Iterable<unknown>): Operator => ({
  kind: 'flatMap',
  compile: (next, name) => (value, scope) => {
    const { time, key } = scope
    scope.operator = name
    for (const part of expand(value, scope.context)) {
      // What follows may set them for one part; the next part must not inherit it.
      scope.time = time
      scope.key = key
      next(part, scope)
      scope.operator = name
    }
  },
})
