import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runDocument, runReadmeExample } from '../../../tooling/test/readme-example.mjs'

it('the example of the README runs as written', async () => {
  expect(await runReadmeExample(join(import.meta.dirname, '..'))).toBe('account-1 0 { amount: 5 }')
})

it('the page on the event store prints what it says', async () => {
  const page = join(import.meta.dirname, '../../../docs/event-store.md')
  const { printed, promised } = await runDocument(join(import.meta.dirname, '..'), page)
  expect(printed).toEqual(promised)
  expect(printed.length).toBeGreaterThan(8)
})
