import { connectLog } from '@aegis/log-jetstream'
import { findPrograms, NatsServer } from '@aegis/nats-server'
import { afterAll, beforeAll, describe } from 'vitest'
import { useCluster } from './given.ts'

const installed = (await findPrograms()).length > 0
if (!installed && process.env['CI'] === 'true') throw new Error('no nats-server is installed: see CONTRIBUTING.md')

const suites = [
  './complaints.test.ts',
  './cron.test.ts',
  './debounce.test.ts',
  './delayed.test.ts',
  './history.test.ts',
  './message-fields.test.ts',
  './message-id.test.ts',
  './patterns.test.ts',
  './queues.test.ts',
  './redrive.test.ts',
  './request-reply.test.ts',
]

/** The same tests as on the log of one process. */
const onJetStream = async (): Promise<void> => {
  let server: NatsServer | undefined
  let domains = 0
  beforeAll(async () => {
    server = await NatsServer.start({})
  })
  afterAll(() => server?.stop())
  useCluster(async () => {
    const options = { url: server!.url, domain: `test${++domains}` }
    return [await connectLog(options), await connectLog(options)]
  })
  for (const suite of suites) await import(suite)
}

if (installed) describe('on JetStream', { timeout: 120_000 }, onJetStream)
else describe.skip('on JetStream (no nats-server is installed: see CONTRIBUTING.md)', onJetStream)
