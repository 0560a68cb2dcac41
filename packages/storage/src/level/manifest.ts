import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { KeyRange } from '../damaged-keys.ts'
import { readRecords } from './record-log.ts'

/** What LevelDB's manifest says about its files. */
export interface Manifest {
  /** Logs from this number on hold what is not in tables yet; older ones are leftovers. */
  readonly logNumber: number
  readonly previousLogNumber: number
  /** At least the last sequence number that is in a table. */
  readonly lastSequence: number
  /** The tables that are in use, by their numbers. */
  readonly tables: ReadonlyMap<number, Table>
}

/** A table as the manifest knows it. */
export interface Table {
  readonly bytes: number
  /** Its smallest and its largest key. */
  readonly keys: KeyRange
}

/** Behind each key as LevelDB has it there are its sequence number and type. */
export const userKey = (internal: Uint8Array): Uint8Array => internal.subarray(0, -8)

/** The manifest that CURRENT names; undefined when either is missing or empty: then the tables cannot be found. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const read = (name: string) =>
    readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0)
      throw error
    })
  const name = (await read('CURRENT')).toString('latin1').trim()
  if (!/^MANIFEST-\d+$/.test(name)) return undefined
  const file = await read(name)
  if (file.length === 0) return undefined
  const manifest = { logNumber: 0, previousLogNumber: 0, lastSequence: 0, tables: new Map<number, Table>() }
  for (const { data } of readRecords(file).records) applyEdit(manifest, data)
  return manifest
}

interface Building {
  logNumber: number
  previousLogNumber: number
  lastSequence: number
  readonly tables: Map<number, Table>
}

/** Source: leveldb db/version_edit.cc, DecodeFrom. */
function applyEdit(manifest: Building, edit: Buffer): void {
  let at = 0
  const number = () => {
    let value = 0
    for (let scale = 1; at < edit.length; scale *= 128) {
      const byte = edit[at++]!
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
  const bytes = () => {
    const length = number()
    at += length
    return edit.subarray(at - length, at)
  }
  const skip = (...fields: ('number' | 'bytes')[]) => {
    for (const field of fields) {
      if (field === 'bytes') bytes()
      else number()
    }
  }
  while (at < edit.length) {
    const tag = number()
    if (tag === 2) manifest.logNumber = number()
    else if (tag === 9) manifest.previousLogNumber = number()
    else if (tag === 4) manifest.lastSequence = number()
    else if (tag === 1) skip('bytes')
    else if (tag === 3) skip('number')
    else if (tag === 5) skip('number', 'bytes')
    else if (tag === 6) {
      skip('number')
      manifest.tables.delete(number())
    } else if (tag === 7) {
      skip('number')
      const table = number()
      manifest.tables.set(table, { bytes: number(), keys: { first: userKey(bytes()), last: userKey(bytes()) } })
    } else return // Not known: LevelDB itself will refuse it.
  }
}
