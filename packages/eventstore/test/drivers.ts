import { type Log, openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { findPrograms, NatsServer } from '@aegis/nats-server'
import { afterAll, beforeAll, describe } from 'vitest'

/** A driver, with as many logs as a test asks for, each with nothing in it. */
export interface Driver {
  open(): Promise<Log>
  /** How much of something a test does, runs of a property for one: a server does it slower. */
  readonly scale: number
}

const programs = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true')
  throw new Error('no nats-server is installed: see CONTRIBUTING.md')

/** Says the same of the log in memory and of one on a cluster. The second is skipped, with its reason, where there is no server. */
export function onEachDriver(body: (driver: Driver) => void): void {
  describe('in memory', { timeout: 60_000 }, () => body({ open: () => openLog({ memory: true }), scale: 60 }))

  const onCluster = (): void => {
    let server: NatsServer | undefined
    let domains = 0
    beforeAll(async () => {
      server = await NatsServer.start()
    })
    afterAll(() => server?.stop())
    body({ open: () => connectLog({ url: server!.url, domain: `test${++domains}` }), scale: 5 })
  }
  if (programs.length > 0) describe('on JetStream', { timeout: 120_000 }, onCluster)
  else describe.skip('on JetStream (no nats-server is installed: see CONTRIBUTING.md)', onCluster)
}
