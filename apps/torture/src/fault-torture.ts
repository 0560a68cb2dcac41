import { openLog } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { FaultyDisk } from '@aegis/storage/testing'
import { checkHistory } from './check-history.ts'
import { drain } from './drain.ts'
import { noState, readFinalState } from './final-state.ts'
import type { Anomaly } from './history.ts'
import { Recorder } from './recorder.ts'
import { storedAnomalies } from './stored-anomalies.ts'
import { groups } from './topics.ts'
import type { TortureResult } from './torture.ts'
import { runWorkload } from './workload.ts'

export interface FaultTortureOptions {
  readonly seed: number
  /** In the first round the first write fails, in the second the second … */
  readonly rounds: number
  /** What becomes of a write that fails. Default `'either'`: it is there or not, by the seed. */
  readonly outcome?: 'refused' | 'stored' | 'either' | 'torn'
  /** Called after each round. */
  readonly onRound?: (round: number) => void
}

/**
 * Runs the workload on a disk in memory whose Nth write fails, for N = 1, 2, 3 …, opening the same disk again after
 * each failure, and checks all that was told against what is there at the end.
 */
export async function faultTorture(options: FaultTortureOptions): Promise<TortureResult> {
  const { seed, rounds, outcome = 'either', onRound } = options
  const disk = new FaultyDisk({ seed })
  const recorder = new Recorder()
  const missing: Anomaly[] = []
  for (let round = 1; round <= rounds; round++) {
    disk.delay(3)
    const log = await openLog({ storage: await disk.open() })
    disk.fail({ at: round, outcome })
    const name = `round${round}`
    const failure = await runWorkload(log, {
      seed: seed + round,
      name,
      emit: line => recorder.add(name, line),
      signal: new AbortController().signal,
    }).catch((error: unknown) => error)
    if (isUnsound(failure)) missing.push({ name: 'not-sound', example: failure.message })
    else if (!isInjected(failure)) throw failure
    await log.close().catch(() => undefined)
    await disk.crash()
    disk.heal()
    onRound?.(round)
  }
  await using log = await openLog({ storage: await disk.open() })
  const stored = await storedAnomalies(log)
  // What does not fit together cannot be read to its end.
  const readable = stored.length === 0 && missing.length === 0
  const undelivered = readable ? await drain(log, line => recorder.add('final', line)) : []
  const final = readable ? await readFinalState(log, undelivered.length > 0 ? [] : groups) : noState
  const operations = recorder.operations()
  const found = readable ? checkHistory({ operations, final }) : stored
  const anomalies = [...missing, ...undelivered, ...found]
  const records = [...final.records.values()].reduce((sum, list) => sum + list.length, 0)
  const acknowledged = operations.filter(operation => operation.outcome === 'ok').length
  return { seed, kills: rounds, operations: operations.length, acknowledged, records, bytesCut: 0, anomalies }
}

/** Whether the workload, or compaction, came upon records that are not there any more or do not follow one another. */
const isUnsound = (error: unknown): error is AegisError =>
  ['RECORDS_MISSING', 'BATCH_INVALID'].some(code => AegisError.is(error, code))

/** Whether an error, or one that it rests on, is the failure that was planned. */
function isInjected(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.message.includes('(injected)')) return true
  }
  return false
}
