import { parseArgs } from 'node:util'
import { AegisError } from '@aegis/storage'
import { backup } from './commands/backup.ts'
import type { Command } from './commands/command.ts'
import { groups } from './commands/groups.ts'
import { restore } from './commands/restore.ts'
import { topics } from './commands/topics.ts'
import { verify } from './commands/verify.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'
import { type Output, Terminal } from './terminal.ts'

const commands: ReadonlyMap<string, Command> = new Map(Object.entries({ topics, groups, backup, restore, verify }))

export interface RunOptions {
  /** Default `process.stdout`. */
  stdout?: Output
  /** Default `process.stderr`. */
  stderr?: Output
  /** Ends the command early. */
  signal?: AbortSignal
}

/**
 * Runs one command of `aegis`, as its arguments say, and returns its exit code. Never throws for what a user can do wrong.
 *
 * ```ts
 * const code = await run(['verify', './data', '--json'])
 * ```
 */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<ExitCode> {
  const { stdout = process.stdout, stderr = process.stderr, signal = new AbortController().signal } = options
  let parsed: { values: { json?: boolean; help?: boolean }; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    return wrongUsage(stderr, error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  const [name, ...rest] = positionals
  if (values.help === true) {
    stdout.write(help)
    return exitCodes.done
  }
  const command = commands.get(name ?? '')
  if (command === undefined) {
    return wrongUsage(
      stderr,
      name === undefined ? 'a command is missing' : `there is no command ${JSON.stringify(name)}`,
    )
  }
  const [fewest, most] = command.takes
  if (rest.length < fewest || rest.length > most || rest.includes('')) {
    return wrongUsage(stderr, `${name} takes ${command.usage}`)
  }
  const terminal = new Terminal(stdout, stderr, values.json ?? false)
  try {
    return await command.run(rest, terminal, signal)
  } catch (error) {
    if (signal.aborted) {
      terminal.error(undefined, `${name} was interrupted`, {})
      return exitCodes.interrupted
    }
    if (!AegisError.is(error)) throw error
    const advice =
      error.code === 'STORAGE_LOCKED' && name === 'backup'
        ? ' A running program backs up its own data: backupLog(log, { to }) of @aegis/log.'
        : ''
    terminal.error(error.code, error.message + advice, error.details)
    return exitCodes.failed
  }
}

function wrongUsage(stderr: Output, what: string): ExitCode {
  stderr.write(`aegis: ${what}; aegis --help shows how it is used\n`)
  return exitCodes.usage
}

const usages = [...commands].map(([name, { usage, summary }]) => `  aegis ${name} ${usage}\n      ${summary}\n`)
const help = `Works on the data folder of a log, which no program may have open meanwhile.

${usages.join('')}
  --json   the result as one JSON document
  --help   this

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 verify found damage, 130 interrupted.
`
