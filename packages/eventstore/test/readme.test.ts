import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runDocument, runReadmeExample } from '../../../tooling/test/readme-example.mjs'

it('the example of the README runs as written', async () => {
  expect(await runReadmeExample(join(import.meta.dirname, '..'))).toBe('account-1 0 { amount: 5 }')
})

it.each([
  ['event-store', 8],
  ['projections', 2],
  ['privacy', 1],
])('the page %s prints what it says', async (name, most) => {
  const page = join(import.meta.dirname, `../../../docs/${name}.md`)
  const { printed, promised } = await runDocument(join(import.meta.dirname, '..'), page)
  expect(printed).toEqual(promised)
  expect(printed.length).toBeGreaterThan(most)
})
