// The process of one benchmark: `run-one.js NAME [--quick]`, started by main.ts, which it sends its rows.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark } from './benchmark.ts'

const [name, ...flags] = process.argv.slice(2)
const { benchmark }: { benchmark: Benchmark } = await import(new URL(`benchmarks/${name}.js`, import.meta.url).href)
const folders: string[] = []
try {
  const rows = await benchmark.run({
    async folder() {
      const folder = await mkdtemp(join(tmpdir(), 'aegis-bench-'))
      folders.push(folder)
      return folder
    },
    size: count => (flags.includes('--quick') ? Math.max(10, Math.round(count / 100)) : count),
  })
  process.send?.(rows)
} finally {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}
process.disconnect?.()
