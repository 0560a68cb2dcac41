import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findPrograms, NatsServer } from '@aegis/nats-server'
import { expect, it } from 'vitest'
import { publishedPackages, root } from '../check/workspace.mjs'
import { readmeExample } from './readme-example.mjs'

const run = promisify(execFile)
const quiet = { maxBuffer: 1e8, env: { ...process.env, npm_config_audit: 'false', npm_config_fund: 'false' } }

// Without the package registry nothing can be installed.
const newer = await run('npx', ['-y', 'node@24', '-p', 'process.execPath'], quiet).then(
  ({ stdout }) => stdout.trim(),
  () => undefined,
)
if (newer === undefined && process.env['CI'] === 'true')
  throw new Error('npx -y node@24 failed: nothing can be installed')

it('packed and installed in an empty project, the example of every package runs on Node 20 and 24', {
  timeout: 600_000,
}, async context => {
  if (newer === undefined) return context.skip('npx -y node@24 failed: nothing can be installed here')
  const folder = await mkdtemp(join(tmpdir(), 'aegis-packed-'))
  const tarballs = join(folder, 'tarballs')
  const project = join(folder, 'project')
  await mkdir(tarballs)
  await mkdir(project)
  const packages = publishedPackages()
  await Promise.all(
    packages.map(({ dir }) =>
      run('npx', ['-y', 'pnpm@12.21.0', 'pack', '--pack-destination', tarballs], { ...quiet, cwd: join(root, dir) }),
    ),
  )
  const files = await readdir(tarballs)
  expect(files).toHaveLength(packages.length)
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }))
  await run('npm', ['install', '--no-package-lock', '@types/node@20', ...files.map(file => join(tarballs, file))], {
    ...quiet,
    cwd: project,
  })
  // One example needs a server; where none is installed, the test of its own package says so.
  await using server = (await findPrograms()).length > 0 ? await NatsServer.start() : undefined
  const withServer = { ...quiet, cwd: project, env: { ...quiet.env, NATS_URL: server?.url } }
  for (const { name, dir } of packages) {
    if (name === '@aegis/log-jetstream' && server === undefined) continue
    const program = join(project, `${name.split('/')[1]}.mjs`)
    await writeFile(program, await readmeExample(join(root, dir)))
    const { stdout } = await run(process.execPath, [program], withServer)
    expect(stdout, name).not.toBe('')
    const again = await run(newer, [program], withServer)
    expect(again.stdout, `${name} on Node 24`).toBe(stdout)
  }
  // Types arrive, too: a program of a user compiles against what was installed.
  await writeFile(
    join(project, 'program.ts'),
    `import { StreamingEngine } from '@aegis/streaming'
const engine = await StreamingEngine.open({ memory: true })
const users = await engine.cdc.table<{ id: number; name: string }>('users', { primaryKey: 'id' })
await engine.transaction(async tx => { await tx.cdc.table('users').insert({ id: 1, name: 'Ada' }) })
const row: { name: string } | undefined = await users.get(1)
console.log(row?.name)
`,
  )
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2023',
        lib: ['esnext'],
        strict: true,
        noEmit: true,
        types: ['node'],
      },
      files: ['program.ts'],
    }),
  )
  await run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', project], quiet)
  expect((await readFile(join(project, 'node_modules', '@aegis', 'log', 'LICENSE'), 'utf8')).slice(0, 200)).toMatch(
    /Apache/,
  )
  await rm(folder, { recursive: true })
})
