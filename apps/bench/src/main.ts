// Measures what is promised, and prints a table: `--only publish` (several times), `--quick`, `--json`.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { cpus, release, totalmem, type } from 'node:os'
import { parseArgs } from 'node:util'
import { type Row, runs } from './measure.ts'
import { table } from './table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const files = await readdir(new URL('benchmarks/', import.meta.url))
const all = files.filter(file => file.endsWith('.js')).map(file => file.slice(0, -3))
const unknown = values.only?.find(name => !all.includes(name))
if (unknown !== undefined) {
  console.error(`--only ${unknown}: there are ${all.join(', ')}`)
  process.exit(2)
}

const rows: Row[] = []
for (const name of values.only ?? all) {
  console.error(`${name} …`)
  const child = fork(new URL('run-one.js', import.meta.url), [name, ...(values.quick ? ['--quick'] : [])], {
    // The table is all that comes out of this program.
    stdio: ['ignore', 2, 'inherit', 'ipc'],
    execArgv: ['--expose-gc'],
  })
  child.on('message', message => rows.push(...(message as Row[])))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`benchmark ${name} failed`)
}
const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
const processor = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}`
const machine = `${processor}, ${memory}, ${type()} ${release()}, Node ${process.version}, median of ${runs} runs`
console.log(values.json ? JSON.stringify({ machine, rows }, null, 2) : `${machine}\n\n${table(rows)}`)
