import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { changeFirstPage, connectInside } from './first-page.ts'

describeWithServer(
  'a connection that is cut while a page is read',
  () => {
    const server = givenServer()

    it.each([0, 1, 4, 9])('and has lost its message %j leaves no hole in what is read', async lost => {
      await using log = await connectInside(server.url, server.domain())
      await log.createTopic('t', { keyed: 'history' })
      await log.createTopic('plain')
      for (let n = 0; n < 10; n++) await log.append('t', { key: 'k', value: `${n}` })
      for (let n = 0; n < 10; n++) await log.append('plain', { value: `${n}` })
      const pages = changeFirstPage(log, async function* (messages) {
        let at = 0
        for await (const message of messages) if (at++ !== lost) yield message
      })
      const versions = (await log.history('t', Buffer.from('k'))).map(({ version }) => version)
      expect(versions).toEqual(Array.from({ length: 10 }, (_, version) => version))
      pages.count = 0
      const { records } = await log.read('plain', 0, { from: 0 })
      expect(records.map(({ value }) => Buffer.from(value!).toString())).toEqual(versions.map(String))
      expect(pages.count).toBeGreaterThan(0)
    })
  },
  '2.11.0',
)
