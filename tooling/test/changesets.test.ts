import { expect, it } from 'vitest'
import { changesetViolations } from '../check/changesets.mjs'
import { workspaceOf } from './workspace-fixture.ts'

const packages = {
  'packages/log/package.json': { name: '@aegis/log' },
  'packages/cdc/package.json': { name: '@aegis/cdc' },
  'packages/cdc/CHANGELOG.md': '# @aegis/cdc',
  'apps/demo/package.json': { name: '@aegis/demo', private: true },
}

it('is content when each unreleased package is announced', () => {
  const root = workspaceOf({ ...packages, '.changeset/first.md': "---\n'@aegis/log': minor\n---\n\nThe first.\n" })
  expect(changesetViolations(root)).toEqual([])
})

it('names the unreleased package that no changeset announces', () => {
  const root = workspaceOf({ ...packages, '.changeset/other.md': "---\n'@aegis/cdc': patch\n---\n\nFaster.\n" })
  expect(changesetViolations(root)).toEqual(['@aegis/log was never released and is in no changeset: npm run change'])
})

it.each([
  ['of an app', "---\n'@aegis/demo': minor\n---\n\nText.", '@aegis/demo is not a published package'],
  ['of a size that does not exist', "---\n'@aegis/log': huge\n---\n\nText.", "'@aegis/log': huge: give 'name'"],
  ['without a header', 'Text.', 'names no package'],
  ['without a text', "---\n'@aegis/log': minor\n---\n", 'says nothing'],
])('refuses a changeset %s', (_, content, reason) => {
  const root = workspaceOf({ ...packages, '.changeset/wrong.md': content })
  expect(changesetViolations(root)).toContainEqual(expect.stringContaining(`.changeset/wrong.md: ${reason}`))
})
