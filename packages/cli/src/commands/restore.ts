import { restoreBackup } from '@aegis/storage'
import { exitCodes } from '../exit-codes.ts'
import { size } from '../table.ts'
import type { Command } from './command.ts'

export const restore: Command = {
  usage: '<backup> <folder>',
  summary: 'Makes a new database of a backup, in a new folder.',
  takes: [2, 2],
  async run([from = '', to = ''], terminal, signal) {
    const copied = await restoreBackup({ from, to, onProgress: terminal.progress(`restoring ${from}`), signal })
    terminal.result({ from, to, ...copied }, [
      `${to}: restored from ${from}, ${copied.entries.toLocaleString('en-US')} entries, ${size(copied.bytes)}`,
    ])
    return exitCodes.done
  },
}
