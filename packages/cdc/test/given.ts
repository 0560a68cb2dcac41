import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChangeEvent, Table } from '../src/index.ts'

/** A folder that goes when its scope ends. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'aegis-cdc-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** All changes up to one that is made here, which is left out. */
export async function changesOf(table: Table): Promise<ChangeEvent[]> {
  await table.upsert({ id: 'the end' })
  const changes: ChangeEvent[] = []
  for await (const change of await table.subscribe({ from: 'earliest', includeOldValues: true })) {
    if (change.key === 'the end') {
      await table.delete('the end')
      break
    }
    changes.push(change)
  }
  return changes
}

export async function rowsOf<R extends object>(table: { scan(): AsyncIterable<R> }): Promise<R[]> {
  const rows: R[] = []
  for await (const row of table.scan()) rows.push(row)
  return rows
}

/** The rows that replaying the changes over nothing gives; throws when an old row is not what was there. */
export function replay(changes: readonly ChangeEvent[]): Map<unknown, unknown> {
  const rows = new Map<unknown, unknown>()
  for (const { op, key, oldRow, newRow } of changes) {
    if (op === 'truncate') {
      rows.clear()
      continue
    }
    const before = JSON.stringify(rows.get(key))
    if (JSON.stringify(oldRow) !== before || (before === undefined) !== (op === 'insert')) {
      throw new Error(`${op} of ${String(key)} with old row ${JSON.stringify(oldRow)}, but there was ${before}`)
    }
    if (op === 'delete') rows.delete(key)
    else rows.set(key, newRow)
  }
  return rows
}
