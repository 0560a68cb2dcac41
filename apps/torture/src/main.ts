import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { clusterTorture } from './cluster-torture.ts'
import { faultTorture } from './fault-torture.ts'
import type { Anomaly } from './history.ts'
import { PowerCut } from './power-cut.ts'
import { torture } from './torture.ts'

const help = `Kills a working log at random moments, opens it again, and checks what everybody was told against what is there.

  --kills N           how often a round kills it (default: 20)
  --rounds N          one folder after the other (default: 1)
  --seed N            the workload and the moments; each round adds one (default: any)
  --durability HOW    fsync or buffered (default: fsync)
  --power-cut         each kill also loses what was not synced (Linux, gcc)
  --faults            in memory instead: the 1st, 2nd, 3rd … write fails
  --cluster           three NATS servers instead: they, the processes and the network are struck so often
  --json              whole results as JSON
  --help              this text

The exit code is 1 when there was an anomaly.
`

interface Result {
  readonly anomalies: readonly Anomaly[]
}

function misused(what: string): never {
  console.error(`torture: ${what}; --help shows how it is used`)
  process.exit(2)
}

function parse() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = { seed: text, kills: text, rounds: text, durability: text, json: flag, help: flag } as const
  try {
    return parseArgs({ options: { ...options, faults: flag, cluster: flag, 'power-cut': flag } }).values
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error))
  }
}

function count(option: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  return /^\d{1,12}$/.test(value) ? Number(value) : misused(`--${option} is ${value}: give a whole number`)
}

const progress = (text: string): boolean => process.stderr.isTTY && process.stderr.write(`\r${text} `)

/** On a folder, which is kept when it shows an anomaly: it is the evidence. */
async function tortureFolder(seed: number, kills: number, durability: 'fsync' | 'buffered', powerCut?: PowerCut) {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-torture-'))
  const onKill = (kill: number): boolean => progress(`seed ${seed}: ${kill} of ${kills} kills`)
  const result = await torture({ dataDir, seed, kills, durability, ...(powerCut && { powerCut }), onKill })
  if (result.anomalies.length > 0) console.error(`  kept in ${dataDir}`)
  else await rm(dataDir, { recursive: true })
  return result
}

const values = parse()
if (values.help === true) {
  console.log(help)
  process.exit()
}
const { durability = 'fsync' } = values
if (durability !== 'fsync' && durability !== 'buffered')
  misused(`--durability is ${durability}: give fsync or buffered`)
const first = count('seed', values.seed, Date.now() % 1_000_000)
const kills = count('kills', values.kills, 20)
const rounds = count('rounds', values.rounds, 1)
const powerCut = values['power-cut'] === true ? await PowerCut.prepare() : undefined
if (values['power-cut'] === true && powerCut === undefined) misused('--power-cut needs Linux and gcc')

const run = (seed: number): Promise<Result> => {
  if (values.faults === true) return faultTorture({ seed, rounds: kills })
  if (values.cluster !== true) return tortureFolder(seed, kills, durability, powerCut)
  const onBlow = (what: string): boolean => progress(`seed ${seed}: ${what}`)
  return clusterTorture({ seed, rounds: Math.ceil(kills / 12), onBlow })
}

let failed = false
for (let round = 0; round < rounds; round++) {
  const result = await run(first + round)
  if (process.stderr.isTTY) process.stderr.write('\n')
  const { anomalies, ...figures } = result
  console.log(
    values.json === true ? JSON.stringify(result) : `${JSON.stringify(figures)} anomalies: ${anomalies.length}`,
  )
  for (const { name, example } of anomalies.slice(0, 20)) console.error(`  ${name}: ${example}`)
  failed ||= anomalies.length > 0
}
await powerCut?.remove()
process.exit(failed ? 1 : 0)
