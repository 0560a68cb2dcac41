import { findPrograms, NatsServer, type Program, type ServerOptions } from '@aegis/nats-server'
import { afterAll, beforeAll, describe } from 'vitest'

/** Newest first. */
export const programs: readonly Program[] = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true')
  throw new Error('no nats-server is installed: see CONTRIBUTING.md')

/** Skipped, with its reason in the name, where no server is installed. */
export const describeWithServer = (name: string, body: () => void): void => {
  if (programs.length > 0) describe(name, { timeout: 120_000 }, body)
  else describe.skip(`${name} (no nats-server is installed: see CONTRIBUTING.md)`, body)
}

/** One server for all tests of a file; each test takes a domain of its own. */
export function givenServer(options: ServerOptions = {}): { readonly url: string; domain(): string } {
  let server: NatsServer | undefined
  let domains = 0
  beforeAll(async () => {
    server = await NatsServer.start(options)
  })
  afterAll(() => server?.stop())
  return {
    get url() {
      if (server === undefined) throw new Error('the server is not started yet')
      return server.url
    },
    domain: () => `test${++domains}`,
  }
}
