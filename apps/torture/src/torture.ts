import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openLog } from '@aegis/log'
import { checkHistory } from './check-history.ts'
import { readFinalState } from './final-state.ts'
import type { Anomaly } from './history.ts'
import { Random } from './random.ts'
import { Recorder } from './recorder.ts'

export interface TortureOptions {
  readonly dataDir: string
  readonly seed: number
  readonly kills: number
  /** A workload is killed after at most so many of its lines. Default 2000. */
  readonly maxLines?: number
  /** Called after each kill. */
  readonly onKill?: (kill: number) => void
}

export interface TortureResult {
  readonly seed: number
  readonly kills: number
  readonly operations: number
  readonly acknowledged: number
  readonly records: number
  readonly anomalies: readonly Anomaly[]
}

const program = fileURLToPath(new URL('../dist/workload-process.js', import.meta.url))

/** Kills a working process again and again on one folder, and checks all that it did against what is there at the end. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { dataDir, seed, kills, maxLines = 2000, onKill } = options
  const random = new Random(seed)
  const recorder = new Recorder()
  for (let kill = 1; kill <= kills; kill++) {
    await runUntilKilled(dataDir, random, `run${kill}`, maxLines, recorder)
    onKill?.(kill)
  }
  await using log = await openLog({ dataDir })
  const final = await readFinalState(log)
  const operations = recorder.operations()
  const anomalies = checkHistory({ operations, final })
  const records = [...final.records.values()].reduce((sum, list) => sum + list.length, 0)
  const acknowledged = operations.filter(({ outcome }) => outcome === 'ok').length
  return { seed, kills, operations: operations.length, acknowledged, records, anomalies }
}

async function runUntilKilled(
  dataDir: string,
  random: Random,
  name: string,
  maxLines: number,
  recorder: Recorder,
): Promise<void> {
  const child = spawn(process.execPath, [program, dataDir, String(random.below(2 ** 31)), name], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Counted in lines, so that a slow machine kills at the same moments of the work; also before the first one.
  const fatal = random.below(maxLines)
  let lines = 0
  let complaint = ''
  child.stderr.on('data', chunk => (complaint += String(chunk)))
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may be cut off by the kill, or come after it: both are told no one.
    if (line.endsWith('}')) recorder.add(name, JSON.parse(line))
    if (++lines >= fatal) child.kill('SIGKILL')
  }
  const [code, signal] = await exited
  if (signal !== 'SIGKILL') throw new Error(`${name} ended by itself with ${String(code ?? signal)}: ${complaint}`)
}
