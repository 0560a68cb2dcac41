import { setTimeout as pause } from 'node:timers/promises'
import type { StreamingEngine } from '@aegis/streaming'
import { Airports } from './airports.ts'
import type { DemoOptions } from './command-line.ts'
import { openPlace, resetFolder } from './data-folder.ts'
import { type FlightsFile, readFlightsFile } from './flights-file.ts'
import { LiveBoard } from './live-board.ts'
import { followLive } from './live-streams.ts'
import { project } from './map.ts'
import { type OperationsCentre, startOperationsCentre } from './operations-centre.ts'
import { readPageFiles } from './page-files.ts'
import { servePage } from './page-server.ts'
import { caughtUp, unlessFailed } from './running.ts'
import { stopSignal } from './stop-signal.ts'
import { TerminalProgress } from './terminal-progress.ts'
import { flights, hourlyDelays, operations } from './topics.ts'

/** Milliseconds between two looks at the clock. */
const tick = 100
/** The clock of the data moves on by this many milliseconds of ours at most: what was asleep does not catch up. */
const longestTick = 500
/** Milliseconds between two measurements. */
const measuring = 500
/** Entries in one commit, at most. */
const batch = 1_000
const hour = 3_600_000

/** Replays at a speed that can be watched, with a page; ends cleanly on Ctrl-C. */
export async function runLive(options: DemoOptions): Promise<void> {
  const file = await readFlightsFile(options.flights)
  const airports = await Airports.read()
  const board = new LiveBoard(airports, project, { speed: options.speed, total: file.entries.length })
  // The port is taken before the folder is touched: when it cannot be, nothing has changed.
  const page = await servePage({ port: options.port, files: await readPageFiles(), board })
  try {
    if (options.reset) await resetFolder(options.place)
    const engine = await openPlace(options.place, file)
    try {
      process.stdout.write(`Airport operations centre: ${page.url}\nCtrl-C stops it; the next start goes on there.\n`)
      await runCentre(engine, file, airports, board, options)
    } finally {
      await engine.close()
    }
  } finally {
    await page.close()
  }
  process.stdout.write('Stopped.\n')
}

async function runCentre(
  engine: StreamingEngine,
  file: FlightsFile,
  airports: Airports,
  board: LiveBoard,
  { speed }: DemoOptions,
): Promise<void> {
  const stop = stopSignal()
  const centre = await startOperationsCentre(engine, file, airports)
  try {
    const live = await followLive(engine, board)
    try {
      const work = Promise.all([replay(centre, board, speed, stop), measure(centre, board, stop)])
      await unlessFailed(work, [centre.operations, centre.hourly, live])
    } finally {
      await live.close()
    }
  } finally {
    await centre.close()
  }
}

/** Publishes what is due, until the end of the input; then closes the windows and waits to be stopped. */
async function replay(
  { feed, operations, hourly }: OperationsCentre,
  board: LiveBoard,
  speed: number,
  stop: AbortSignal,
): Promise<void> {
  let clock = feed.time ?? 0
  for (let before = performance.now(); !feed.done && !stop.aborted; ) {
    await wait(tick, stop)
    const now = performance.now()
    clock += (Math.min(now - before, longestTick) / 1_000) * speed * hour
    before = now
    const due = feed.due(clock, batch)
    if (due > 0) await feed.publish(due)
    // More was due than fits in one commit: the clock waits for the feed.
    if (due === batch) clock = Math.min(clock, feed.time ?? clock)
    board.progress({ clock, published: feed.position })
  }
  board.progress({ clock: feed.time ?? null, published: feed.position })
  if (stop.aborted) return
  await caughtUp(operations, () => undefined)
  await hourly.drain()
  board.progress({ state: 'ended' })
  process.stdout.write('All flights are replayed. --reset replays them from the beginning.\n')
}

/** Keeps the lags, the throughput and the line in the terminal up to date, until it is stopped. */
async function measure(centre: OperationsCentre, board: LiveBoard, stop: AbortSignal): Promise<void> {
  const terminal = new TerminalProgress()
  while (!stop.aborted) {
    board.measure(performance.now())
    board.progress({
      groups: [
        { name: operations, topic: flights, lag: await centre.operations.lag() },
        { name: hourlyDelays, topic: flights, lag: await centre.hourly.lag() },
      ],
    })
    const { state } = board.figures
    if (state === 'running') terminal.show(() => progressLine(board.figures))
    await wait(measuring, stop)
  }
  terminal.end()
}

function progressLine({ clock, published, total, throughput, alerts }: LiveBoard['figures']): string {
  const date = clock === null ? '' : `${new Date(clock).toISOString().slice(0, 16).replace('T', ' ')} UTC  `
  return `${date}${published} of ${total} flights  ${throughput.toFixed(0)}/s  ${alerts} alerts`
}

async function wait(milliseconds: number, stop: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal: stop }).catch(() => undefined)
}
