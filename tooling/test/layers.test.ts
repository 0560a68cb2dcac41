import { expect, it } from 'vitest'
import { layerViolations } from '../check/layers.mjs'
import { workspaceOf } from './workspace-fixture.ts'

const log = { name: '@aegis/log', dependencies: { '@aegis/storage': 'workspace:*' } }

it('finds nothing in a workspace whose imports go down', () => {
  const root = workspaceOf({
    'packages/storage/package.json': { name: '@aegis/storage' },
    'packages/log/package.json': log,
    'packages/log/src/index.ts': "import { openLevel } from '@aegis/storage'\nexport { topic } from './topic.ts'",
    'packages/log/test/log.test.ts':
      "import { x } from '../../../tooling/test/x.mjs'\nimport { y } from '../src/index.ts'",
  })
  expect(layerViolations(root)).toEqual([])
})

it.each([
  ['import', "import type { PubSub } from '@aegis/pubsub'"],
  ['export', "export { PubSub } from '@aegis/pubsub'"],
  ['export of everything', "export * from '@aegis/pubsub/testing'"],
  ['import()', "const load = () => import('@aegis/pubsub')"],
])('finds an upward %s', (_, line) => {
  const root = workspaceOf({ 'packages/log/package.json': log, 'packages/log/src/deep/a.ts': line })
  expect(layerViolations(root)).toEqual([
    'packages/log/src/deep/a.ts: @aegis/log must not depend on @aegis/pubsub: it is not in a lower layer',
  ])
})

it('finds a sideways dependency in a manifest, and in a test', () => {
  const root = workspaceOf({
    'packages/cdc/package.json': { name: '@aegis/cdc', devDependencies: { '@aegis/eventstore': 'workspace:*' } },
    'packages/cdc/test/a.test.ts': "import '@aegis/eventstore'",
  })
  expect(layerViolations(root)).toEqual([
    'packages/cdc/package.json: @aegis/cdc must not depend on @aegis/eventstore: it is not in a lower layer',
    'packages/cdc/test/a.test.ts: @aegis/cdc must not depend on @aegis/eventstore: it is not in a lower layer',
  ])
})

it('finds a file that reaches into the folder of another package', () => {
  const root = workspaceOf({
    'packages/log/package.json': log,
    'packages/log/src/a.ts': "import '../../storage/src/errors.ts'",
  })
  expect(layerViolations(root)).toEqual([
    'packages/log/src/a.ts: ../../storage/src/errors.ts is a file of another package: import the package by its name',
  ])
})

it('demands a layer of every package', () => {
  const root = workspaceOf({ 'packages/new/package.json': { name: '@aegis/new' } })
  expect(layerViolations(root)).toEqual([
    'packages/new/package.json: @aegis/new has no layer yet: give it one in tooling/check/layers.mjs',
  ])
})
