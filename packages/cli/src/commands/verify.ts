import { type LogReport, verifyLog } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { exitCodes } from '../exit-codes.ts'
import { openFolder } from '../open-folder.ts'
import { size } from '../table.ts'
import type { Command } from './command.ts'

export const verify: Command = {
  usage: '<folder>',
  summary: 'Reads all of a database or a backup: every checksum, every batch, and whether it all fits together.',
  takes: [1, 1],
  async run([folder = ''], terminal, signal) {
    try {
      await using opened = await openFolder(folder)
      const report = await verifyLog(opened.log, { onProgress: terminal.progress(`verifying ${folder}`), signal })
      terminal.result({ folder, ...report }, describe(folder, report))
      return report.sound ? exitCodes.done : exitCodes.damaged
    } catch (error) {
      // So damaged that it is not even opened: that is a finding, not a failure of the command.
      if (!AegisError.is(error, 'STORAGE_LOSS') && !AegisError.is(error, 'STORAGE_CORRUPT')) throw error
      terminal.error(error.code, error.message, error.details)
      return exitCodes.damaged
    }
  },
}

function describe(folder: string, report: LogReport): string[] {
  const { sound, storage, topics, batches, records, problems } = report
  const damage = storage.damage.map(({ file, offset, key, reason }) =>
    listed('damage', ['', file], ['at byte', offset], ['key', key], ['', reason]),
  )
  const misfits = problems.map(({ topic, partition, offset, key, reason }) =>
    listed('problem', ['topic', topic], ['partition', partition], ['offset', offset], ['key', key], ['', reason]),
  )
  const read = [
    counted(topics, 'topic', 'topics'),
    counted(batches, 'batch', 'batches'),
    counted(records, 'record', 'records'),
    counted(storage.files, 'table', 'tables'),
    size(storage.bytes),
  ]
  return [...damage, ...misfits, `${folder}: ${sound ? 'sound' : 'NOT SOUND'} (${read.join(', ')})`]
}

const counted = (count: number, one: string, many: string) =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`

/** What is known of a finding; what is not is left out. */
function listed(kind: string, ...parts: (readonly [name: string, value: string | number | undefined])[]): string {
  const known = parts.filter(([, value]) => value !== undefined)
  return `${kind}: ${known.map(([name, value]) => (name === '' ? value : `${name} ${value}`)).join(', ')}`
}
