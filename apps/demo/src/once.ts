import { constants } from 'node:fs'
import { access, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DemoOptions } from './command-line.ts'
import { openPlace, resetFolder } from './data-folder.ts'
import { demoError, oneLine } from './errors.ts'
import { readFlightsFile } from './flights-file.ts'
import { type OperationsCentre, startOperationsCentre } from './operations-centre.ts'
import { caughtUp, unlessFailed } from './running.ts'
import { readSummary } from './summary.ts'
import { summaryTable } from './summary-table.ts'
import { TerminalProgress } from './terminal-progress.ts'

/** Entries that the feed publishes in one commit. */
const batch = 500

/** Without a page, at full speed to the end of the input; then the summary. */
export async function runOnce(options: DemoOptions): Promise<void> {
  const file = await readFlightsFile(options.flights)
  if (options.json !== undefined) await checkWritable(options.json)
  if (options.reset) await resetFolder(options.place)
  const engine = await openPlace(options.place, file)
  try {
    const centre = await startOperationsCentre(engine, file)
    try {
      await unlessFailed(replay(centre), [centre.operations, centre.hourly])
    } finally {
      await centre.close()
    }
    const summary = await readSummary(engine)
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(summary, null, 2)}\n`)
    process.stdout.write(`${summaryTable(summary)}\n`)
  } finally {
    await engine.close()
  }
}

/** Until every flight is handled and every window is closed. */
async function replay({ feed, operations, hourly }: OperationsCentre): Promise<void> {
  const progress = new TerminalProgress()
  while (!feed.done) {
    await feed.publish(batch)
    progress.show(() => `publishing: ${feed.position} of ${feed.length} entries`)
  }
  await caughtUp(operations, lag => progress.show(() => `handling: ${lag} flights to go`))
  progress.show(() => 'closing the windows')
  await hourly.drain()
  progress.end()
}

async function checkWritable(path: string): Promise<void> {
  try {
    const found = await stat(path).catch(() => undefined)
    if (found?.isDirectory()) throw new Error('it is a folder')
    await access(found === undefined ? dirname(path) : path, constants.W_OK)
  } catch (error) {
    throw demoError(
      'OUTPUT_UNWRITABLE',
      `--json ${path} cannot be written (${oneLine(error)}): name a file in a folder that exists`,
      error,
    )
  }
}
