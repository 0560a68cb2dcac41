import type { Expectation, TestRunner } from '@aegis/storage/testing'
import type { Follower, Log, LogRecord } from '../../log.ts'

/** A place for one log, new and empty for each test. */
export interface LogLocation {
  open(): Promise<Log>
  /** Whether what was done is there at the next `open`, after a close. Default false. */
  readonly keeps?: boolean
  /** Lets so many milliseconds pass for the log: by a clock that was given to it, or by waiting. Left out: time is not tested. */
  advance?(milliseconds: number): void | Promise<void>
  /** After each test. */
  destroy?(): Promise<void>
}

/** What a test may do with the place of its log. */
export interface Place {
  /** Closes the log and opens it again; `undefined` where nothing is kept. */
  readonly reopen: (() => Promise<Log>) | undefined
  readonly advance: LogLocation['advance']
}

/** How the parts of the suite say what they test. */
export interface LogTests {
  /** Not within another. */
  describe(name: string, body: () => void): void
  /** Runs on a new log, which is closed afterwards. */
  it(name: string, test: (log: Log, place: Place) => Promise<void>): void
  expect(actual: unknown): Expectation
}

/** Runs each test on a location of its own, and those that are known to fail the other way round. */
export function onLocations(
  { describe, it, expect }: TestRunner,
  locate: () => LogLocation | Promise<LogLocation>,
  knownGaps: readonly string[],
): { readonly tests: LogTests; unknownGaps(): readonly string[] } {
  // Groups do not nest: runners differ in when they run the body of one within another.
  let group = ''
  const found = new Set<string>()
  const run = async (test: (log: Log, place: Place) => Promise<void>): Promise<void> => {
    const location = await locate()
    const opened: Log[] = []
    const open = async (): Promise<Log> => {
      const log = await location.open()
      opened.push(log)
      return log
    }
    try {
      const log = await open()
      const reopen = async (): Promise<Log> => {
        await opened.at(-1)!.close()
        return open()
      }
      await test(log, { reopen: location.keeps === true ? reopen : undefined, advance: location.advance })
    } finally {
      for (const log of opened) await log.close()
      await location.destroy?.()
    }
  }
  const tests: LogTests = {
    expect,
    describe(name, body) {
      describe(name, () => {
        group = name
        body()
      })
    },
    it(name, test) {
      const full = `${group} › ${name}`
      found.add(full)
      if (!knownGaps.includes(full)) {
        it(name, () => run(test))
        return
      }
      it(`${name} (a known gap)`, async () => {
        const failed = await run(test).then(
          () => false,
          () => true,
        )
        if (!failed) throw new Error(`the gap is closed: take ${JSON.stringify(full)} off the list`)
      })
    },
  }
  return { tests, unknownGaps: () => knownGaps.filter(gap => !found.has(gap)) }
}

/** Runs a test only on logs for which something holds. */
export const onlyWhere =
  (it: LogTests['it'], holds: (log: Log) => boolean): LogTests['it'] =>
  (name, test) =>
    it(name, async (log, place) => {
      if (holds(log)) await test(log, place)
    })

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | null | undefined): string =>
  value === null || value === undefined ? '(none)' : new TextDecoder().decode(value)
export const values = (records: readonly LogRecord[]): string[] => records.map(record => text(record.value))
/** The whole numbers below `count`. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

interface Failure {
  readonly code?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** The error that something ends with, or `undefined`. */
export function failure(run: () => unknown): Promise<Failure | undefined> {
  return Promise.resolve()
    .then(run)
    .then(
      () => undefined,
      (error: Failure) => error,
    )
}

/** What something came to: `'done'`, or the code of the error. */
export async function outcome(run: () => unknown): Promise<string> {
  const error = await failure(run)
  return error === undefined ? 'done' : (error.code ?? String(error))
}

/** All records of a partition, read in pages. */
export async function recordsOf(log: Log, topic: string, partition = 0, maxRecords = 500): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  const end = await log.endOffset(topic)
  for (let from = await log.startOffset(topic, partition); from < end; ) {
    const page = await log.read(topic, partition, { from, maxRecords })
    records.push(...page.records)
    if (page.nextOffset <= from) throw new Error(`reading from ${from} goes on at ${page.nextOffset}`)
    from = page.nextOffset
  }
  return records
}

export const valuesOf = async (log: Log, topic: string, partition = 0): Promise<string[]> =>
  values(await recordsOf(log, topic, partition))

/** Follows until there are `count` records. */
export async function followed(follower: Follower, count: number): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  while (records.length < count) {
    const page = await follower.next()
    if (page === undefined) break
    records.push(...page.records)
  }
  return records
}

/** What an iteration gives, as a list. */
export async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
