import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type Database from 'libsql'

/** An event as both stores take it. */
export interface PlainEvent {
  readonly type: string
  readonly data: unknown
}

interface Stored {
  readonly id: string
  readonly type: string
  readonly streamId: string
  readonly version: number
  readonly position: number
  readonly timestamp: number
  readonly data: unknown
  readonly metadata: unknown
}

type Line = [number, string, number, string, string, string, string, number]

/**
 * The event store that one writes by hand over SQLite: one table, a unique index by stream and version, one transaction an
 * append, as durable as ours (write-ahead log, `synchronous=FULL`).
 */
export interface SqliteEvents {
  append(streamId: string, events: readonly PlainEvent[], expected?: number): void
  load(streamId: string): Stored[]
  /** Events from a position on, a page at a time. */
  page(after: number, limit: number): Stored[]
  close(): void
}

/** `undefined`, with the reason printed, where the `libsql` package cannot be loaded. */
export async function openSqlite(folder: string): Promise<SqliteEvents | undefined> {
  let open: typeof Database
  try {
    open = (await import('libsql')).default
  } catch (error) {
    console.error(`no comparison with SQLite: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
  const db = new open(join(folder, 'events.db'))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec(`CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL,
    id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, metadata TEXT NOT NULL, timestamp INTEGER NOT NULL,
    UNIQUE (stream, version))`)
  const columns = 'position, stream, version, id, type, data, metadata, timestamp'
  const last = db.prepare('SELECT max(version) FROM events WHERE stream = ?').raw()
  const insert = db.prepare(
    'INSERT INTO events (stream, version, id, type, data, metadata, timestamp) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const ofStream = db.prepare(`SELECT ${columns} FROM events WHERE stream = ? ORDER BY version`).raw()
  const ofAll = db.prepare(`SELECT ${columns} FROM events WHERE position > ? ORDER BY position LIMIT ?`).raw()
  const insertAll = (streamId: string, events: readonly PlainEvent[], version: number): void => {
    const now = Date.now()
    for (const [at, { type, data }] of events.entries())
      insert.run(streamId, version + at, randomUUID(), type, JSON.stringify(data), '{}', now)
  }
  const several = db.transaction(insertAll)
  return {
    append(streamId, events, expected) {
      const version = (expected ?? Number((last.get(streamId) as unknown as [number | null])[0] ?? -1)) + 1
      if (events.length === 1) insertAll(streamId, events, version)
      else several(streamId, events, version)
    },
    load: streamId => (ofStream.all(streamId) as Line[]).map(stored),
    page: (after, limit) => (ofAll.all(after, limit) as Line[]).map(stored),
    close: () => void db.close(),
  }
}

const stored = ([position, streamId, version, id, type, data, metadata, timestamp]: Line): Stored => ({
  id,
  type,
  streamId,
  version,
  position,
  timestamp,
  data: JSON.parse(data),
  metadata: JSON.parse(metadata),
})
