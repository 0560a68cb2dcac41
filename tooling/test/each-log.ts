import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { describe, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from './with-nats-server.ts'

/**
 * Runs tests on each driver of the log: in memory, in a folder, and on a NATS server (skipped with the reason where none is
 * installed). `open` gives a new, empty log, which is closed after the test.
 */
export function describeEachLog(name: string, tests: (open: () => Promise<Log>) => void): void {
  const closing = async (opening: Promise<Log>): Promise<Log> => {
    const log = await opening
    onTestFinished(() => log.close())
    return log
  }
  describe(`${name}, in memory`, () => tests(() => closing(openLog({ memory: true }))))
  describe(`${name}, in a folder`, () => {
    tests(async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'aegis-log-'))
      onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
      return closing(openLog({ dataDir }))
    })
  })
  describeWithServer(
    `${name}, on JetStream`,
    () => {
      const server = givenServer()
      tests(() => closing(connectLog({ url: server.url, domain: server.domain() })))
    },
    '2.12.0',
  )
}
