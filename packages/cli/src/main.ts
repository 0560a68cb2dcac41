#!/usr/bin/env node
// The program `aegis`. What it does is in run.ts.
import { run } from './run.ts'

const interrupted = new AbortController()
// The second one ends it at once, as if nobody listened.
process.once('SIGINT', () => interrupted.abort())
process.exitCode = await run(process.argv.slice(2), { signal: interrupted.signal })
