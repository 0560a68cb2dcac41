import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { counterKey, decodeCounter } from '../identity.ts'
import type { Manifest } from './manifest.ts'
import { readRecords } from './record-log.ts'

export interface LogFinding {
  readonly file: string
  readonly offset: number
  readonly reason: string
}

export interface LogReport {
  /** Counter of the last commit in the logs; undefined when all commits are in tables. */
  readonly counter?: number
  /** The last write did not arrive as a whole. Normal after a crash, if nobody was told that it was there. */
  readonly torn?: LogFinding
  /** Something is missing before something that is there. */
  readonly hole?: LogFinding
}

/** The numbers of the folder's write-ahead logs, oldest first. */
export function logNumbers(folder: string): number[] {
  const logs = readdirSync(folder).filter(name => /^\d+\.log$/.test(name))
  return logs.map(name => Number.parseInt(name, 10)).sort((a, b) => a - b)
}

export function logName(number: number): string {
  return `${String(number).padStart(6, '0')}.log`
}

/**
 * Reads the write-ahead logs as LevelDB will, but does not forgive: LevelDB skips what it cannot read, goes on behind it,
 * and deletes the logs. To be called before LevelDB opens the folder.
 */
export async function inspectLogs(folder: string, manifest: Manifest): Promise<LogReport> {
  const { logNumber, previousLogNumber, lastSequence } = manifest
  const needed = logNumbers(folder).filter(number => number >= logNumber || number === previousLogNumber)
  if (logNumber > 0 && !needed.includes(logNumber)) {
    return { hole: { file: logName(logNumber), offset: 0, reason: 'the file is missing' } }
  }
  let counter: number | undefined
  let torn: LogFinding | undefined
  let sequence: number | undefined
  for (const number of needed) {
    const file = logName(number)
    const content = await readFile(join(folder, file))
    if (content.length === 0) continue
    if (torn !== undefined) return { hole: torn }
    const { records, damage } = readRecords(content)
    for (const { offset, data } of records) {
      const batch = readBatch(data)
      if (batch === undefined) return { hole: { file, offset, reason: 'a record is not a commit of ours' } }
      // A table may hold what the first log repeats, so the first batch may begin below, never above.
      const expected = sequence ?? Math.min(batch.sequence, lastSequence + 1)
      if (batch.sequence !== expected) {
        return { hole: { file, offset, reason: `sequence ${batch.sequence} follows ${expected - 1}` } }
      }
      sequence = batch.sequence + batch.count
      counter = batch.counter
    }
    if (damage === undefined) continue
    const finding = { file, offset: damage.offset, reason: 'a record is damaged' }
    if (damage.followed) return { hole: finding }
    torn = finding
  }
  return { ...(counter === undefined ? {} : { counter }), ...(torn === undefined ? {} : { torn }) }
}

/** A LevelDB batch: sequence, count, then the operations, of which our commits have the counter first. */
function readBatch(data: Buffer): { sequence: number; count: number; counter: number } | undefined {
  const valueAt = 12 + 2 + counterKey.length + 1
  const valueEnd = valueAt + 12
  if (data.length < valueEnd || data[12] !== 1 || data[13] !== counterKey.length || data[valueAt - 1] !== 12) {
    return undefined
  }
  if (!data.subarray(14, valueAt - 1).equals(counterKey)) return undefined
  const counter = decodeCounter(data.subarray(valueAt, valueEnd))
  return { sequence: Number(data.readBigUInt64LE(0)), count: data.readUInt32LE(8), counter }
}
