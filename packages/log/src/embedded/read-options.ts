import { AegisError } from '@aegis/storage'

/** @throws AegisError `LOG_INVALID` naming what cannot be read by */
export function checkRead(from: number, maxRecords: number, maxBytes: number): void {
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new AegisError('LOG_INVALID', `from is ${String(from)}: give an offset`)
  }
  if (!Number.isInteger(maxRecords) || maxRecords < 1) {
    throw new AegisError('LOG_INVALID', `maxRecords is ${String(maxRecords)}: give a whole number of at least 1`)
  }
  if (!Number.isInteger(maxBytes) || maxBytes < 1) {
    throw new AegisError('LOG_INVALID', `maxBytes is ${String(maxBytes)}: give a whole number of at least 1`)
  }
}
