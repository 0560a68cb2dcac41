import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Benchmark, Context } from './benchmark.ts'
import { consume } from './consume.ts'
import { events } from './events.ts'
import { jetstream } from './jetstream.ts'
import { runs } from './measure.ts'
import { memory } from './memory.ts'
import { opening } from './opening.ts'
import { publish } from './publish.ts'
import { table } from './table.ts'
import { windows } from './windows.ts'

const all: readonly Benchmark[] = [publish, consume, events, windows, opening, jetstream, memory]
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const unknown = values.only?.find(name => !all.some(benchmark => benchmark.name === name))
if (unknown !== undefined) {
  console.error(`--only ${unknown}: there are ${all.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

const folders: string[] = []
const context: Context = {
  async folder() {
    const folder = await mkdtemp(join(tmpdir(), 'aegis-bench-'))
    folders.push(folder)
    return folder
  },
  size: count => (values.quick ? Math.max(10, Math.round(count / 100)) : count),
}
const rows = []
try {
  for (const benchmark of all) {
    if (values.only !== undefined && !values.only.includes(benchmark.name)) continue
    console.error(`${benchmark.name} …`)
    rows.push(...(await benchmark.run(context)))
  }
} finally {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}
const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}, Node ${process.version}, median of ${runs} runs`
console.log(values.json ? JSON.stringify({ machine, rows }, null, 2) : `${machine}\n\n${table(rows)}`)
