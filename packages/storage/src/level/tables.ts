import type { KeyRange } from '../damaged-keys.ts'
import type { FileScanOptions } from '../medium.ts'
import type { Damage } from '../storage.ts'
import { reportedDamage } from '../verify-values.ts'
import { readManifest, type Table } from './manifest.ts'
import { damagedBlocks, openTable, tableName } from './table-file.ts'

/** Damage of a table, and what it may hide. */
export interface TableDamage {
  readonly damage: Damage
  readonly keys: KeyRange
}

export interface TableScanOptions extends FileScanOptions {
  /** Called with the bytes of each step, about a megabyte; what it returns is awaited. */
  onRead?: (bytes: number) => Promise<void> | void
}

/**
 * Compares every block of some tables with its checksum. LevelDB does not do that when it reads: a changed byte of a key, an
 * index or a filter can hide an entry, and no error tells.
 */
export async function* damageOf(
  folder: string,
  tables: ReadonlyMap<number, Table>,
  { signal, onFile, onRead }: TableScanOptions,
): AsyncGenerator<TableDamage> {
  for (const [checked, [number, table]] of [...tables].entries()) {
    signal?.throwIfAborted()
    const file = await openTable(folder, number)
    if (file === undefined) {
      // LevelDB may have replaced it since, by one that it has just written.
      const live = (await readManifest(folder))?.tables.has(number) ?? true
      if (live) yield { damage: { file: tableName(number), reason: 'the file is missing' }, keys: table.keys }
      continue
    }
    try {
      for await (const { offset, reason, keys } of damagedBlocks(file.handle, table, onRead)) {
        yield { damage: { file: file.name, offset, reason }, keys }
      }
    } finally {
      await file.handle.close()
    }
    onFile?.(checked + 1, tables.size)
  }
}

/** Compares every block of the tables that are in use now. */
export async function verifyTables(
  folder: string,
  options: FileScanOptions = {},
): Promise<{ files: number; damage: Damage[] }> {
  const tables = (await readManifest(folder))?.tables ?? new Map()
  const found: Damage[] = []
  for await (const { damage } of damageOf(folder, tables, options)) {
    found.push(damage)
    if (found.length >= reportedDamage) break
  }
  return { files: tables.size, damage: found }
}
