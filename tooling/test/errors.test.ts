import { expect, it } from 'vitest'
import { errorLists, errorsPage, errorViolations } from '../docs/errors.mjs'
import { workspaceOf } from './workspace-fixture.ts'

const list = (union: string) => `/** What can go wrong. */\nexport type SomeErrorCode =\n${union}\n`

it('writes a heading for each code, with its comment, grouped by package', () => {
  const root = workspaceOf({
    'packages/log/package.json': { name: '@aegis/log' },
    'packages/log/src/errors.ts': list(
      "  /** Closed. */\n  | 'LOG_CLOSED'\n  /**\n   * Two\n   * lines.\n   */\n  | 'LOG_OLD'",
    ),
    'packages/a/package.json': { name: '@aegis/a' },
    'packages/a/src/errors.ts': list("  /** Only one. */\n  'A_INVALID'"),
  })
  const page = errorsPage(errorLists(root))
  expect(page.slice(page.indexOf('## '))).toBe(`## @aegis/a

What can go wrong.

### A_INVALID

Only one.

## @aegis/log

What can go wrong.

### LOG_CLOSED

Closed.

### LOG_OLD

Two
lines.
`)
  expect(errorViolations(root)).toEqual([])
})

it('refuses a code of two packages, one without a comment, and one that is thrown but not listed', () => {
  const root = workspaceOf({
    'packages/a/package.json': { name: '@aegis/a' },
    'packages/a/src/errors.ts': list("  /** Here. */\n  | 'SAME'\n  | 'BARE'"),
    'packages/a/src/a.ts': "throw new AegisError('SAME', 'x')\nconst f = () => new AegisError('NOWHERE', 'y')",
    'packages/b/package.json': { name: '@aegis/b' },
    'packages/b/src/errors.ts': list("  /** And here. */\n  'SAME'"),
  })
  expect(errorViolations(root)).toEqual([
    'BARE of @aegis/a has no comment: say when it happens',
    'SAME stands in the lists of @aegis/a and @aegis/b: one owns it',
    'packages/a/src/a.ts: NOWHERE stands in no src/errors.ts',
  ])
})
