#!/usr/bin/env node
import { AegisError } from '@aegis/storage'
import { parseCommandLine, usage } from './command-line.ts'
import { isExplained, oneLine } from './errors.ts'
import { runLive } from './live.ts'
import { runOnce } from './once.ts'

try {
  const options = parseCommandLine(process.argv.slice(2))
  if (options.help) process.stdout.write(usage)
  else if (options.once) await runOnce(options)
  else await runLive(options)
} catch (error) {
  // What is documented says in one line what to do; anything else is a fault of the program, and shows where it is.
  console.error(isExplained(error) ? `demo: ${oneLine(error)}` : error)
  process.exitCode = AegisError.is(error, 'OPTION_INVALID') ? 2 : 1
}
