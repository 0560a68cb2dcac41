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
 * @param {Record<string, string>} [env] what the example finds in its environment besides
 * @returns {Promise<string>}
 */
export async function runReadmeExample(packageDir, env = {}) {
  return run(packageDir, await readmeExample(packageDir), env)
}

/**
 * Runs all blocks of TypeScript of a document as one program, inside a package, and returns what it prints, and what its
 * comments behind `console.log` say that it prints.
 *
 * @param {string} packageDir
 * @param {string} file
 * @returns {Promise<{ printed: string[], promised: string[] }>}
 */
export async function runDocument(packageDir, file) {
  const program = [...(await readFile(file, 'utf8')).matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, block]) => block)
    .join('')
  const promised = [...program.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].flatMap(([, text]) => (text ?? '').split(', '))
  return { printed: (await run(packageDir, program)).split('\n'), promised }
}

/**
 * @param {string} packageDir
 * @param {string} program
 * @param {Record<string, string>} [env]
 */
async function run(packageDir, program, env = {}) {
  const dir = await mkdtemp(join(packageDir, 'dist', 'readme-'))
  try {
    await writeFile(join(dir, 'example.mjs'), program)
    return execFileSync(process.execPath, ['example.mjs'], {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    }).trim()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
