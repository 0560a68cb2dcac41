import type { CommittedPosition } from '@aegis/log'

/** What a log takes as metadata of a position, in bytes. */
export const maxMetadataBytes = 32_768

/** Neighbours, up to and including the offset `last`, that were delivered equally often; -1: acknowledged. */
export interface DeliveredRun {
  readonly last: number
  readonly deliveries: number
}

/** Neighbours that are not delivered before `at`, in milliseconds since the epoch. */
export interface DueRun {
  readonly first: number
  readonly last: number
  readonly at: number
}

/** What is known beyond a position. */
export interface KeptRuns {
  readonly runs: readonly DeliveredRun[]
  readonly due: readonly DueRun[]
}

/** As it is stored: everything as a difference, for offsets and times are long. */
interface Stored {
  /** Pairs: the run's last offset less the one of the run before, and its deliveries. */
  runs?: number[]
  /** Triples: first offset less that of the position, last less first, and the time. */
  due?: number[]
}

/** The position with what is kept beyond it. What does not fit is forgotten from the end: it is delivered again. */
export function keptPosition(offset: number, { runs, due }: KeptRuns): CommittedPosition {
  for (let share = 1; runs.length + due.length > 0; share /= 2) {
    const metadata = encode(
      offset,
      runs.slice(0, Math.ceil(runs.length * share)),
      due.slice(0, Math.ceil(due.length * share)),
    )
    if (metadata.length <= maxMetadataBytes) return { offset, metadata }
    if (share < 1e-6) break
  }
  return { offset, metadata: '' }
}

function encode(offset: number, runs: readonly DeliveredRun[], due: readonly DueRun[]): string {
  let before = offset
  const stored: Stored = {}
  if (runs.length > 0) {
    stored.runs = runs.flatMap(({ last, deliveries }) => {
      const difference = last - before
      before = last
      return [difference, deliveries]
    })
  }
  if (due.length > 0) stored.due = due.flatMap(({ first, last, at }) => [first - offset, last - first, at])
  return JSON.stringify(stored)
}

/** Metadata that somebody else has put there means that nothing beyond the position is known. */
export function parseKept({ offset, metadata }: CommittedPosition): KeptRuns {
  let stored: unknown
  try {
    stored = metadata === '' ? undefined : JSON.parse(metadata)
  } catch {
    stored = undefined
  }
  if (typeof stored !== 'object' || stored === null) return { runs: [], due: [] }
  const runs: DeliveredRun[] = []
  let last = offset
  for (const [difference, deliveries] of tuples(2, 'runs' in stored ? stored.runs : undefined)) {
    last += difference!
    runs.push({ last, deliveries: deliveries! })
  }
  const due = tuples(3, 'due' in stored ? stored.due : undefined).map(([first, length, at]) => ({
    first: offset + first!,
    last: offset + first! + length!,
    at: at!,
  }))
  return { runs, due }
}

function tuples(size: number, value: unknown): number[][] {
  if (!Array.isArray(value) || !value.every(element => Number.isSafeInteger(element))) return []
  return Array.from({ length: Math.floor(value.length / size) }, (_, at) => value.slice(at * size, (at + 1) * size))
}
