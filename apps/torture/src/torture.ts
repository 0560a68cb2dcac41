import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openLog } from '@aegis/log'
import type { Durability } from '@aegis/storage'
import { checkHistory, checkPrefix } from './check-history.ts'
import { completeLines } from './complete-lines.ts'
import { drain } from './drain.ts'
import { noState, readFinalState } from './final-state.ts'
import type { Anomaly } from './history.ts'
import type { PowerCut } from './power-cut.ts'
import { Random } from './random.ts'
import { Recorder } from './recorder.ts'
import { storedAnomalies } from './stored-anomalies.ts'
import { groups } from './topics.ts'

export interface TortureOptions {
  readonly dataDir: string
  readonly seed: number
  readonly kills: number
  /** A workload is killed after at most so many of its lines. Default 2000. */
  readonly maxLines?: number
  /** Default `'fsync'`. */
  readonly durability?: Durability
  /** After each kill the files lose what was not synced. */
  readonly powerCut?: PowerCut
  /** Called after each kill. */
  readonly onKill?: (kill: number) => void
}

export interface TortureResult {
  readonly seed: number
  readonly kills: number
  readonly operations: number
  readonly acknowledged: number
  readonly records: number
  /** Bytes that power cuts have taken. */
  readonly bytesCut: number
  readonly anomalies: readonly Anomaly[]
}

/** Milliseconds without a word, after which something waits for ever. */
const longestSilence = 120_000

const program = fileURLToPath(new URL('../dist/workload-process.js', import.meta.url))

/** Kills a working process again and again on one folder, and checks all that it did against what is there at the end. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { kills, dataDir, seed, durability = 'fsync', powerCut, onKill } = options
  const random = new Random(seed)
  const recorder = new Recorder()
  let bytesCut = 0
  for (let kill = 1; kill <= kills; kill++) {
    await powerCut?.begin(dataDir)
    await runUntilKilled(options, random, `run${kill}`, recorder)
    bytesCut += (await powerCut?.cut(dataDir)) ?? 0
    onKill?.(kill)
  }
  await using log = await openLog({ dataDir })
  const stored = await storedAnomalies(log)
  // What does not fit together cannot be read to its end.
  const losesTheNewest = powerCut !== undefined && durability === 'buffered'
  const readable = stored.length === 0
  const undelivered = readable && !losesTheNewest ? await drain(log, line => recorder.add('final', line)) : []
  const drained = losesTheNewest || undelivered.length > 0 ? [] : groups
  const final = readable ? await readFinalState(log, drained) : noState
  const operations = recorder.operations()
  const history = { operations, final }
  const check = () => (losesTheNewest ? checkPrefix(history, process => process.split('.')[0]!) : checkHistory(history))
  const anomalies = readable ? [...undelivered, ...check()] : stored
  const records = [...final.records.values()].reduce((sum, list) => sum + list.length, 0)
  const acknowledged = operations.filter(({ outcome }) => outcome === 'ok').length
  return { seed, kills, operations: operations.length, acknowledged, records, bytesCut, anomalies }
}

async function runUntilKilled(
  options: TortureOptions,
  random: Random,
  name: string,
  recorder: Recorder,
): Promise<void> {
  const { dataDir, maxLines = 2000, durability = 'fsync', powerCut } = options
  const child = spawn(process.execPath, [program, dataDir, String(random.below(2 ** 31)), name, durability], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...powerCut?.environment },
  })
  // Counted in lines, so that a slow machine kills at the same moments of the work; also before the first one.
  const fatal = random.below(maxLines)
  let lines = 0
  let complaint = ''
  child.stderr.on('data', chunk => (complaint += String(chunk)))
  const exited = once(child, 'exit')
  let silent = false
  const watch = setTimeout(() => {
    silent = true
    child.kill('SIGKILL')
  }, longestSilence)
  for await (const line of completeLines(child.stdout)) {
    watch.refresh()
    recorder.add(name, JSON.parse(line))
    if (++lines >= fatal) child.kill('SIGKILL')
  }
  const [code, signal] = await exited
  clearTimeout(watch)
  if (silent)
    throw new Error(`${name} has said nothing for ${longestSilence / 1000} s after ${lines} lines: ${complaint}`)
  if (signal !== 'SIGKILL') throw new Error(`${name} ended by itself with ${String(code ?? signal)}: ${complaint}`)
}
