import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { plantedBugs } from '../src/planted-bugs/list.ts'

const root = join(import.meta.dirname, '../../..')

// Trying all of them takes a quarter of an hour (`npm run planted-bugs`); that each can be planted shows at once.
it('every planted bug has its place in the code, once', async () => {
  const places = await Promise.all(
    plantedBugs.map(async ({ name, file, find }) => {
      const source = await readFile(join(root, file), 'utf8').catch(() => '')
      return [name, source.split(find).length - 1] as const
    }),
  )
  expect(places.filter(([, count]) => count !== 1)).toEqual([])
})

it('every planted bug is another one, and its test is there', async () => {
  expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length)
  const missing: string[] = []
  for (const { name, test } of plantedBugs) {
    const source = await readFile(join(root, test.file), 'utf8').catch(() => '')
    if (source === '') missing.push(name)
  }
  expect(missing).toEqual([])
})
