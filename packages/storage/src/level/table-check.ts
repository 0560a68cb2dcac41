import { setTimeout as pause } from 'node:timers/promises'

import { AegisError } from '../errors.ts'
import type { SequencedStorage } from '../sequenced-storage.ts'
import type { Damage } from '../storage.ts'
import { readManifest, type Table } from './manifest.ts'
import { damageOf, type TableDamage } from './tables.ts'

type Tables = ReadonlyMap<number, Table>

/** So many bytes of tables are compared before LevelDB opens them: about 50 ms (1.5 GB/s from the page cache). */
const checkedAtOpen = 64 << 20
/** Bytes a second that are compared later: 3 GB in a minute and a half, for 3 % of one core. */
const rate = 32 << 20

/**
 * Compares the tables of a small folder with their checksums. To be called before LevelDB opens it: it may write what it can
 * still read of a damaged table into a new one, which then looks sound.
 * @returns the tables of a large folder, which are to be compared later
 * @throws AegisError `STORAGE_CORRUPT`
 */
export async function assertTables(folder: string): Promise<Tables | undefined> {
  const { tables } = (await readManifest(folder)) ?? {}
  if (tables === undefined || sizeOf(tables) > checkedAtOpen) return tables
  for await (const { damage } of damageOf(folder, tables, {})) throw damageError(folder, damage, '')
  return undefined
}

const sizeOf = (tables: Tables): number => [...tables.values()].reduce((sum, { bytes }) => sum + bytes, 0)

/** Compares them beside the work of the storage, and tells it what is damaged. */
export function checkTablesLater(folder: string, tables: Tables, storage: SequencedStorage): TableCheck {
  const onDamage = ({ damage, keys }: TableDamage): void => {
    const error = damageError(folder, damage, 'Nothing is written any more, and what it may hide is not read. ')
    if (storage.status !== 'damaged') process.emitWarning(error.message, { code: 'AEGIS_STORAGE_DAMAGE' })
    storage.damaged(keys, error)
  }
  const onFailure = (error: unknown): void =>
    process.emitWarning(`The tables of ${folder} could not be compared with their checksums: ${String(error)}`, {
      code: 'AEGIS_STORAGE_UNCHECKED',
    })
  return new TableCheck(folder, tables, onDamage, onFailure)
}

/**
 * Reads the tables that were there at the open once, in small steps at a bounded rate. What is written later was in the memory
 * of this process a moment ago.
 */
export class TableCheck {
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(
    folder: string,
    tables: Tables,
    onDamage: (damage: TableDamage) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#running = this.#run(folder, tables, onDamage).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) onFailure(error)
    })
  }

  /** Resolves when no step is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(folder: string, tables: Tables, onDamage: (damage: TableDamage) => void): Promise<void> {
    const { signal } = this.#stop
    const onRead = (bytes: number): Promise<void> => pause((1_000 * bytes) / rate, undefined, { signal, ref: false })
    for await (const damage of damageOf(folder, tables, { signal, onRead })) onDamage(damage)
  }
}

function damageError(folder: string, damage: Damage, consequence: string): AegisError<'STORAGE_CORRUPT'> {
  const { file, offset, reason } = damage
  const place = offset === undefined ? file : `${file} at byte ${offset}`
  const what = `Damaged data in ${folder}: ${place}: ${reason}. ${consequence}Restore a backup, or open with allowLoss: true to save what can be read.`
  return new AegisError('STORAGE_CORRUPT', what, { details: { folder, ...damage } })
}
