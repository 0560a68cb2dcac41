import { backupLog } from '@aegis/log'
import { exitCodes } from '../exit-codes.ts'
import { openFolder } from '../open-folder.ts'
import { size } from '../table.ts'
import type { Command } from './command.ts'

export const backup: Command = {
  usage: '<folder> <backup>',
  summary: 'Copies a database to a new folder, and checks every value on the way.',
  takes: [2, 2],
  async run([folder = '', to = ''], terminal, signal) {
    await using opened = await openFolder(folder)
    const onProgress = terminal.progress(`backing up ${folder}`)
    const copied = await backupLog(opened.log, { to, onProgress, signal })
    terminal.result({ from: folder, to, ...copied }, [
      `${to}: backup of ${folder}, ${copied.entries.toLocaleString('en-US')} entries, ${size(copied.bytes)}`,
    ])
    return exitCodes.done
  },
}
