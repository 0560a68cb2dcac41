import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'

it('the example of the README runs as written', async () => {
  const packageDir = join(import.meta.dirname, '..')
  const dir = await mkdtemp(join(packageDir, 'dist', 'readme-'))
  try {
    const example = /```ts\n([\s\S]*?)```/.exec(await readFile(join(packageDir, 'README.md'), 'utf8'))![1]!
    await writeFile(join(dir, 'example.mjs'), example)
    expect(execFileSync(process.execPath, ['example.mjs'], { cwd: dir, encoding: 'utf8' }).trim()).toBe('alice { total: 5 }')
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
