import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runReadmeExample } from '../../../tooling/test/readme-example.mjs'

it('the example of the README runs as written', async () => {
  expect(await runReadmeExample(join(import.meta.dirname, '..'))).toMatch(/^TOPIC .*\norders .*for ever$/)
})
