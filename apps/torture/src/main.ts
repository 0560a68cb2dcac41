import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { clusterTorture } from './cluster-torture.ts'
import { faultTorture } from './fault-torture.ts'
import { PowerCut } from './power-cut.ts'
import { torture } from './torture.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '1' },
    durability: { type: 'string', default: 'fsync' },
    faults: { type: 'boolean', default: false },
    'power-cut': { type: 'boolean', default: false },
    cluster: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const durability = values.durability === 'buffered' ? 'buffered' : 'fsync'
const powerCut = values['power-cut'] ? await PowerCut.prepare() : undefined
if (values['power-cut'] && powerCut === undefined) throw new Error('--power-cut needs Linux and gcc')
let failed = false
for (let round = 0; round < Number(values.rounds); round++) {
  if (values.faults) {
    const seed = Number(values.seed) + round
    const result = await faultTorture({ seed, rounds: Number(values.kills) })
    const { anomalies, ...figures } = result
    console.log(`${JSON.stringify(figures)} anomalies: ${anomalies.length}`)
    for (const { name, example } of anomalies.slice(0, 20)) console.error(`  ${name}: ${example}`)
    failed ||= anomalies.length > 0
    continue
  }
  if (values.cluster) {
    const seed = Number(values.seed) + round
    const result = await clusterTorture({
      seed,
      rounds: Math.ceil(Number(values.kills) / 12),
      onBlow: what => process.stderr.isTTY && process.stderr.write(`\rseed ${seed}: ${what} `),
    })
    const { anomalies, ...figures } = result
    console.log(`${JSON.stringify(figures)} anomalies: ${anomalies.length}`)
    for (const { name, example } of anomalies.slice(0, 20)) console.error(`  ${name}: ${example}`)
    failed ||= anomalies.length > 0
    continue
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-torture-'))
  const seed = Number(values.seed) + round
  const result = await torture({
    dataDir,
    seed,
    kills: Number(values.kills),
    durability,
    ...(powerCut && { powerCut }),
    onKill: kill => process.stderr.isTTY && process.stderr.write(`\rseed ${seed}: ${kill} of ${values.kills} kills `),
  })
  if (process.stderr.isTTY) process.stderr.write('\n')
  const { anomalies, ...figures } = result
  console.log(values.json ? JSON.stringify(result) : `${JSON.stringify(figures)} anomalies: ${anomalies.length}`)
  for (const { name, example } of anomalies.slice(0, 20)) console.error(`  ${name}: ${example}`)
  // A folder that shows an anomaly is kept: it is the evidence.
  if (anomalies.length > 0) console.error(`  kept in ${dataDir}`)
  else await rm(dataDir, { recursive: true })
  failed ||= anomalies.length > 0
}
await powerCut?.remove()
process.exit(failed ? 1 : 0)
