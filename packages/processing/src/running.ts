import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Job } from './job.ts'

// Two jobs of one id would both count every record. A job that is starting has its id and is not there yet.
const runningOn = new WeakMap<Log, Map<string, Job | undefined>>()

/** An id that is claimed on a log. */
export interface Claim {
  /** The job that runs under it, from now on among the running ones. */
  started(job: Job): void
  release(): void
}

/** @throws AegisError `PROCESSOR_RUNNING` */
export function claim(log: Log, id: string): Claim {
  let jobs = runningOn.get(log)
  if (jobs === undefined) runningOn.set(log, (jobs = new Map()))
  if (jobs.has(id)) {
    throw new AegisError(
      'PROCESSOR_RUNNING',
      `processor ${id} is running on this log: close its job first, or give another id`,
    )
  }
  const held = jobs.set(id, undefined)
  return {
    started: job => {
      // It may have ended before anyone knew it.
      if (held.has(id)) held.set(id, job)
    },
    release: () => held.delete(id),
  }
}

/** The jobs that run on a log, for whoever shows them or closes what stands on the log. */
export function runningJobs(log: Log): Job[] {
  return [...(runningOn.get(log)?.values() ?? [])].filter(job => job !== undefined)
}
