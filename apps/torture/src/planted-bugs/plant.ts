import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { PlantedBug } from './list.ts'

const run = promisify(execFile)

/** What became of a bug that was planted. */
export type Verdict = 'caught' | 'not caught' | 'not planted' | 'does not compile'

/** A copy of the workspace in which bugs are planted, one at a time; the workspace itself is never touched. */
export class Garden implements AsyncDisposable {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  static async create(workspace: string): Promise<Garden> {
    const root = await mkdtemp(join(tmpdir(), 'aegis-planted-'))
    for (const folder of ['packages', 'apps', 'tooling']) {
      // Links within stay as they are: they are relative, and lead to the copies.
      await cp(join(workspace, folder), join(root, folder), {
        recursive: true,
        verbatimSymlinks: true,
        filter: path => !['.turbo', '.data', 'data'].includes(basename(path)),
      })
    }
    await symlink(join(workspace, 'node_modules'), join(root, 'node_modules'))
    for (const file of ['package.json', 'tsconfig.json']) await cp(join(workspace, file), join(root, file))
    return new Garden(root)
  }

  /** Plants a bug, runs the test that is to catch it, and takes the bug out again. */
  async try({ file, find, replace, test }: PlantedBug): Promise<{ verdict: Verdict; output: string }> {
    const path = join(this.#root, file)
    const source = await readFile(path, 'utf8')
    if (source.split(find).length !== 2) return { verdict: 'not planted', output: `${file} does not have it once` }
    const owner = file.split('/').slice(0, 2).join('/')
    const tested = test.file.split('/').slice(0, 2).join('/')
    await writeFile(
      path,
      source.replace(find, () => replace),
    )
    try {
      const built = await this.#run('tsc', ['-b', owner, 'apps/torture'])
      if (!built.passed) return { verdict: 'does not compile', output: built.output }
      const filter = test.name === undefined ? [] : ['-t', test.name]
      const { passed, output } = await this.#run('vitest', [
        'run',
        '--root',
        tested,
        test.file.slice(tested.length + 1),
        ...filter,
      ])
      return { verdict: passed ? 'not caught' : 'caught', output }
    } finally {
      await writeFile(path, source)
      await this.#run('tsc', ['-b', owner])
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
  }

  async #run(program: string, args: readonly string[]): Promise<{ passed: boolean; output: string }> {
    try {
      const { stdout } = await run(join(this.#root, 'node_modules', '.bin', program), args, {
        cwd: this.#root,
        maxBuffer: 1e8,
      })
      return { passed: true, output: stdout }
    } catch (error) {
      if (error instanceof Error && 'stdout' in error) return { passed: false, output: String(error.stdout) }
      throw error
    }
  }
}
