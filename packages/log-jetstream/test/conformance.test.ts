import { logConformance } from '@aegis/log/testing'
import { describe, expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

describeWithServer('on the newest server', () => {
  const server = givenServer()
  logConformance({ describe, it, expect }, 'JetStream', () => {
    const domain = server.domain()
    return { open: () => connectLog({ url: server.url, domain }), keeps: true }
  })
})
