import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@aegis/log'
import { inTime } from '@aegis/nats-server'
import { Member, subscribeTo, workOnce } from './delivery-workload.ts'
import type { Anomaly } from './history.ts'
import type { Host } from './keyed-workload.ts'
import { Random } from './random.ts'
import type { Line } from './recorder.ts'
import { Report } from './report.ts'
import { type Group, groups, topics } from './topics.ts'

/** When nothing disturbs them any more, all groups have to come to the end in this time, in milliseconds. */
const patience = 120_000

/** Lets each group take what is left, until there is nothing; says which did not get there. */
export async function drain(log: Log, emit: (line: Line) => void): Promise<Anomaly[]> {
  const there = (await log.listTopics()).some(({ name }) => name === topics.jobs)
  if (!there) return []
  const report = new Report(emit)
  return (await Promise.all(groups.map(group => drainGroup(log, report, group)))).flat()
}

async function drainGroup(log: Log, report: Report, group: Group): Promise<Anomaly[]> {
  const stop = new AbortController()
  const host = { log, report, signal: stop.signal }
  const working = takeAll(host, group)
  const failed = working.then(
    () => false,
    () => true,
  )
  const deadline = Date.now() + patience
  let lag = 0
  for (;;) {
    lag = (await log.lag(group, topics.jobs)).reduce((sum, { lag: left }) => sum + left, 0)
    if (lag === 0 || Date.now() > deadline || (await Promise.race([failed, pause(50, false)]))) break
  }
  stop.abort()
  await inTime(working, patience, () => `the members of group ${group} to end`)
  return lag === 0 ? [] : [{ name: 'undelivered', example: `group ${group} has ${lag} left after ${patience} ms` }]
}

async function takeAll(host: Host, group: Group): Promise<void> {
  const process = `final.${group}`
  if (group === 'exactly-once') {
    while (!host.signal.aborted) await workOnce(host)(process, new Random(1))
    return
  }
  const subscription = await subscribeTo(host, group)
  // There was nothing left.
  if (host.signal.aborted) return
  const member = new Member(host, group, process, subscription)
  for await (const job of subscription) {
    await member.take(job)
    await member.acknowledge(0)
  }
}
