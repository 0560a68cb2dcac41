import { logConformance } from '@aegis/log/testing'
import { compareVersions } from '@aegis/nats-server'
import { describe, expect, it } from 'vitest'
import { describeWithServer, givenServer, programs } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const oldest = programs.at(-1)

// What a server before 2.12 cannot do, its log refuses by its capabilities, of which the suite asks.
describeWithServer('on the oldest server that is installed', () => {
  if (oldest === undefined || compareVersions(oldest.version, '2.12.0') >= 0) {
    if (process.env['CI'] === 'true') throw new Error('no nats-server before 2.12 is installed: see .ci/run')
    it.skip('no nats-server before 2.12 is installed: see .ci/run')
    return
  }
  const server = givenServer({ program: oldest })
  logConformance({ describe, it, expect }, `JetStream ${oldest.version}`, () => {
    const domain = server.domain()
    return { open: () => connectLog({ url: server.url, domain }), keeps: true }
  })
})
