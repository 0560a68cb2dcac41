import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runReadmeExample } from '../../../tooling/test/readme-example.mjs'

it('the example of the README runs as written', async () => {
  const lines = (await runReadmeExample(join(import.meta.dirname, '..'))).split('\n')
  expect(lines.sort()).toEqual(['ada {"orders":2,"total":15}', 'bob {"orders":1,"total":20}'])
})
