import { AegisError } from '../errors.ts'
import { readManifest } from './manifest.ts'
import type { Acknowledged } from './side-file.ts'
import { readTableCounter } from './table-counter.ts'
import { inspectLogs, type LogFinding } from './write-ahead-logs.ts'

/** What of the acknowledged commits a folder does not have. */
export interface Loss {
  readonly what: string
  readonly details: Record<string, unknown>
}

/** The commit that must be in the database. */
export function requiredCounter(acknowledged: Acknowledged | undefined): number {
  if (acknowledged === undefined) return 0
  // Buffered commits may go with the machine, and with nothing less.
  return acknowledged.sameBoot ? acknowledged.buffered : acknowledged.durable
}

/**
 * Looks for missing commits before LevelDB opens the folder, which would drop the evidence. Changes nothing.
 * @throws AegisError `STORAGE_LOSS` when the tables cannot be found any more.
 */
export async function findLoss(folder: string, required: number): Promise<Loss | undefined> {
  const manifest = await readManifest(folder)
  if (manifest === undefined) {
    throw lossError(
      folder,
      {
        what: 'the file CURRENT, or the manifest that it names, is missing or empty, so LevelDB would start anew',
        details: { file: 'CURRENT' },
      },
      'Restore it, or a backup.',
    )
  }
  const { hole, torn, counter } = await inspectLogs(folder, manifest)
  if (hole !== undefined) return { what: described(hole), details: { ...hole } }
  if (torn === undefined) return counter === undefined ? undefined : findShortage(counter, required)
  if (required === 0) return undefined
  const found = counter ?? (await readTableCounter(folder))
  return found >= required ? undefined : { what: described(torn), details: { ...torn, found, required } }
}

/** Whether the database ends before what was acknowledged. */
export function findShortage(found: number, required: number): Loss | undefined {
  if (found >= required) return undefined
  return { what: `commit ${required} was acknowledged, the last one present is ${found}`, details: { found, required } }
}

export function lossError(folder: string, loss: Loss, advice?: string): AegisError<'STORAGE_LOSS'> {
  const what = `Acknowledged data is missing in ${folder}: ${loss.what}. `
  const todo =
    advice ?? 'Restore a backup, or open with allowLoss: true and accept that what rests on the data may not fit.'
  return new AegisError('STORAGE_LOSS', what + todo, { details: { folder, ...loss.details } })
}

function described({ file, offset, reason }: LogFinding): string {
  return `in ${file} at byte ${offset}, ${reason}`
}
