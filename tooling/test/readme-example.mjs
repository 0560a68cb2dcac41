import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The example of a package's README: its first block of TypeScript.
 *
 * @param {string} packageDir
 * @returns {Promise<string>}
 */
export async function readmeExample(packageDir) {
  const example = /```ts\n([\s\S]*?)```/.exec(await readFile(join(packageDir, 'README.md'), 'utf8'))?.[1]
  if (example === undefined) throw new Error(`${packageDir}/README.md has no block that begins with \`\`\`ts`)
  return example
}

/**
 * Runs the example of a package's README as it is written, inside the package so that it finds its own name,
 * and returns what it prints.
 *
 * @param {string} packageDir
 * @returns {Promise<string>}
 */
export async function runReadmeExample(packageDir) {
  const dir = await mkdtemp(join(packageDir, 'dist', 'readme-'))
  try {
    await writeFile(join(dir, 'example.mjs'), await readmeExample(packageDir))
    return execFileSync(process.execPath, ['example.mjs'], { cwd: dir, encoding: 'utf8' }).trim()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
