import type { TestRunner } from '@aegis/storage/testing'
import { appendTests } from './appending.ts'
import { compactTests } from './compacting.ts'
import { followTests } from './following.ts'
import { groupTests } from './groups.ts'
import { historyTests } from './keyed-history.ts'
import { latestTests } from './keyed-latest.ts'
import { lifecycleTests } from './lifecycle.ts'
import { limitTests } from './limiting.ts'
import { nameTests } from './names.ts'
import { positionTests } from './positions.ts'
import { readTests } from './reading.ts'
import { reopeningTests } from './reopening.ts'
import { repeatTests } from './repeating.ts'
import { type LogLocation, onLocations } from './runner.ts'
import { serializabilityTests } from './serializability.ts'
import { staticMemberTests } from './static-members.ts'
import { timeTests } from './time.ts'
import { topicTests } from './topics.ts'
import { transactionTests } from './transactions.ts'
import { truncateTests } from './truncating.ts'

export interface LogConformanceOptions {
  /**
   * Tests that the driver is known to fail, such as `'a topic › can be created twice'`. They must fail, so that a gap that
   * was closed shows.
   */
  knownGaps?: readonly string[]
}

/**
 * Tests what every `Log` promises, whatever it is made of; what is optional is asked of `capabilities`.
 *
 * ```ts
 * logConformance({ describe, it, expect }, 'memory', () => ({ open: () => openLog({ memory: true }) }))
 * ```
 * @param locate gives a new, empty place for one log
 */
export function logConformance(
  runner: TestRunner,
  name: string,
  locate: () => LogLocation | Promise<LogLocation>,
  { knownGaps = [] }: LogConformanceOptions = {},
): void {
  const { tests, unknownGaps } = onLocations(runner, locate, knownGaps)
  runner.describe(`log: ${name}`, () => {
    topicTests(tests)
    nameTests(tests)
    appendTests(tests)
    repeatTests(tests)
    readTests(tests)
    followTests(tests)
    latestTests(tests)
    historyTests(tests)
    truncateTests(tests)
    compactTests(tests)
    transactionTests(tests)
    serializabilityTests(tests)
    groupTests(tests)
    staticMemberTests(tests)
    positionTests(tests)
    timeTests(tests)
    limitTests(tests)
    reopeningTests(tests)
    lifecycleTests(tests)
    runner.it('names as known gaps what it tests', async () => runner.expect(unknownGaps()).toEqual([]))
  })
}
