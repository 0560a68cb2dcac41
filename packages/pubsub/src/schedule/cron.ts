import { AegisError } from '@aegis/storage'
import { Cron } from 'croner'

/**
 * What becomes of occurrences that passed while nothing ran: `'latest'` (default) publishes the last of them, once; `'all'`
 * each of them; `'none'` none that is more than a minute late.
 */
export type CatchUp = 'latest' | 'all' | 'none'

export interface CronRule {
  readonly cron: string
  readonly timeZone: string
  readonly catchUp: CatchUp
}

const tolerated = 60_000

/** @throws AegisError `SCHEDULE_INVALID` */
export function checkRule(name: string, { cron, timeZone, catchUp }: CronRule): void {
  if (!['latest', 'all', 'none'].includes(catchUp)) {
    throw invalid(name, `catchUp is ${JSON.stringify(catchUp)}: give 'latest', 'all' or 'none'`)
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch (cause) {
    throw invalid(name, `timeZone is ${JSON.stringify(timeZone)}: give a name such as Europe/Vienna`, cause)
  }
  if (nextOccurrence(name, { cron, timeZone }, Date.now()) === undefined) {
    throw invalid(name, `cron is ${JSON.stringify(cron)}: it never comes`)
  }
}

/** The first occurrence after a time, in milliseconds; `undefined` when there is none any more. */
export function nextOccurrence(
  name: string,
  { cron, timeZone }: Pick<CronRule, 'cron' | 'timeZone'>,
  after: number,
): number | undefined {
  return parse(name, cron, timeZone).nextRun(new Date(after))?.getTime()
}

/** What is to be published of an occurrence that is due, and which comes next. */
export function occurrencesDue(
  name: string,
  rule: CronRule,
  dueAt: number,
  now: number,
): { readonly publish: number | undefined; readonly next: number | undefined } {
  const next = nextOccurrence(name, rule, dueAt)
  if (rule.catchUp === 'all') return { publish: dueAt, next }
  if (next === undefined || next > now) return { publish: isMissed(rule, dueAt, now) ? undefined : dueAt, next }
  const latest = parse(name, rule.cron, rule.timeZone)
    .previousRuns(1, new Date(now + 1))[0]
    ?.getTime()
  const last = Math.max(latest ?? dueAt, dueAt)
  return { publish: isMissed(rule, last, now) ? undefined : last, next: nextOccurrence(name, rule, last) }
}

const isMissed = ({ catchUp }: CronRule, occurrence: number, now: number): boolean =>
  catchUp === 'none' && now - occurrence > tolerated

function parse(name: string, cron: string, timezone: string): Cron {
  try {
    return new Cron(cron, { timezone, paused: true })
  } catch (cause) {
    throw invalid(name, `cron is ${JSON.stringify(cron)}: give an expression such as '0 8 * * MON-FRI'`, cause)
  }
}

const invalid = (name: string, message: string, cause?: unknown): AegisError =>
  new AegisError('SCHEDULE_INVALID', `schedule ${JSON.stringify(name)}: ${message}`, { cause })
