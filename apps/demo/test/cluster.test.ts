import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { DemoProcess, realFlights, temporaryFolder } from './demo-process.ts'
import { plainLoop } from './plain-loop.ts'

describeWithServer(
  'on a cluster',
  () => {
    const server = givenServer()

    it('finds what a plain loop finds, also when it was killed and started again', async () => {
      const folder = await temporaryFolder()
      const flights = await realFlights(400)
      const file = join(folder, 'flights.json')
      await writeFile(file, JSON.stringify(flights))
      const json = join(folder, 'summary.json')
      const args = ['--once', '--url', server.url, '--flights', file, '--json', json]
      const killed = new DemoProcess(...args)
      const timer = setTimeout(() => killed.child.kill('SIGKILL'), 500 + Math.random() * 2_000)
      await killed.ended
      clearTimeout(timer)
      const demo = new DemoProcess(...args)
      expect((await demo.ended).code, demo.stderr).toBe(0)
      expect(JSON.parse(await readFile(json, 'utf8'))).toEqual(plainLoop(flights))
    })

    it('refuses to delete what is there', async () => {
      const demo = new DemoProcess('--once', '--url', server.url, '--reset')
      expect((await demo.ended).code).toBe(2)
      expect(demo.stderr).toContain('nats stream rm')
    })
  },
  '2.12.0',
)
