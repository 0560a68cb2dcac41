import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds between two looks at a lag. */
const interval = 20

/** What works in the background until it is closed. */
export interface Running {
  /** Settles when the work has ended: rejects when it cannot go on. */
  readonly ended: Promise<unknown>
  /** Records that are published and not handled yet. */
  lag(): Promise<number>
  close(): Promise<void>
}

/** Resolves when everything published is handled; until then tells how much is not. */
export async function caughtUp(running: Running, tell: (lag: number) => void): Promise<void> {
  for (let lag = await running.lag(); lag > 0; lag = await running.lag()) {
    tell(lag)
    await pause(interval)
  }
}

/** The result of `work`, or the failure of something in the background that it depends on. */
export function unlessFailed<T>(work: Promise<T>, background: readonly Pick<Running, 'ended'>[]): Promise<T> {
  const failures = background.map(async ({ ended }) => {
    await ended
    return new Promise<never>(() => undefined)
  })
  return Promise.race([work, ...failures])
}
