import { compareVersions, findPrograms, NatsServer, type Program, type ServerOptions } from '@aegis/nats-server'
import { afterAll, beforeAll, describe } from 'vitest'

/** Newest first. */
export const programs: readonly Program[] = await findPrograms()
if (programs.length === 0 && process.env['CI'] === 'true') {
  throw new Error('no nats-server is installed: see CONTRIBUTING.md')
}

/** Tests that need a server of some version; skipped, with the reason in the name, where there is none. */
export function describeWithServer(name: string, body: () => void, version = '2.9.0'): void {
  const newest = programs[0]
  if (newest !== undefined && compareVersions(newest.version, version) >= 0) {
    describe(name, { timeout: 120_000 }, body)
    return
  }
  const found = newest === undefined ? 'none is installed' : `there is ${newest.version}`
  describe.skip(`${name} (needs nats-server ${version}, ${found}: see CONTRIBUTING.md)`, body)
}

/** Tests that run on the newest and on the oldest server that is installed. */
export function describeEachServer(name: string, body: (options: ServerOptions) => void): void {
  for (const program of new Set([programs[0], programs.at(-1)])) {
    if (program === undefined) describeWithServer(name, () => body({}))
    else describeWithServer(`${name}, nats-server ${program.version}`, () => body({ program }))
  }
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
