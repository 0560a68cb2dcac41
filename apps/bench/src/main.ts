// Measures what is promised, and prints a table; `--help` says what there is.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { cpus, release, totalmem, type } from 'node:os'
import { parseArgs } from 'node:util'
import type { Benchmark } from './benchmark.ts'
import { type Row, runs } from './measure.ts'
import { table } from './table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const files = await readdir(new URL('benchmarks/', import.meta.url))
const all = files.filter(file => file.endsWith('.js')).map(file => file.slice(0, -3))
const unknown = values.only?.find(name => !all.includes(name))
if (unknown !== undefined) {
  console.error(`--only ${unknown}: there are ${all.join(', ')}`)
  process.exit(2)
}

if (values.help) {
  console.log(`npm run bench -- [options]

--only NAME   this benchmark alone; may be given several times
--quick       a hundredth of the work, for a first look: its figures mean little
--json        the rows as JSON instead of the table

Each is run in a process of its own, several times where that does not take minutes. The table goes to standard output, progress
to standard error. docs/benchmarks.md says what is promised, and explains the figures.
`)
  for (const name of all) {
    const { benchmark }: { benchmark: Benchmark } = await import(new URL(`benchmarks/${name}.js`, import.meta.url).href)
    console.log(`${name.padEnd(14)}${benchmark.about}`)
  }
  process.exit()
}

const rows: Row[] = []
const names = values.only ?? all
for (const [at, name] of names.entries()) {
  process.stderr.write(`${at + 1} of ${names.length}: ${name} … `)
  const began = performance.now()
  const child = fork(new URL('run-one.js', import.meta.url), [name, ...(values.quick ? ['--quick'] : [])], {
    // The table is all that comes out of this program.
    stdio: ['ignore', 2, 'inherit', 'ipc'],
    execArgv: ['--expose-gc'],
  })
  child.on('message', message => rows.push(...(message as Row[])))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`benchmark ${name} failed`)
  console.error(`${((performance.now() - began) / 1000).toFixed(0)} s`)
}
const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
const processor = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}`
const machine = `${processor}, ${memory}, ${type()} ${release()}, Node ${process.version}, median of ${runs} runs`
console.log(values.json ? JSON.stringify({ machine, rows }, null, 2) : `${machine}\n\n${table(rows)}`)
