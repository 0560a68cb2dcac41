import { type Log, openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { findPrograms, NatsServer } from '@aegis/nats-server'
import { afterAll, beforeAll, describe } from 'vitest'

const programs = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true')
  throw new Error('no nats-server is installed: see CONTRIBUTING.md')

/** Runs tests on every log there is: `open` gives a new, empty one. */
export function onEachDriver(tests: (open: () => Promise<Log>) => void): void {
  describe('embedded', () => tests(() => openLog({ memory: true })))
  if (programs.length === 0) {
    describe.skip('JetStream (no nats-server is installed: see CONTRIBUTING.md)', () => undefined)
    return
  }
  describe('JetStream', { timeout: 120_000 }, () => {
    let server: NatsServer | undefined
    let domains = 0
    beforeAll(async () => {
      server = await NatsServer.start()
    })
    afterAll(() => server?.stop())
    tests(() => connectLog({ url: server!.url, domain: `test${++domains}` }))
  })
}
