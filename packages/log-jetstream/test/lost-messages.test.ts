import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'
import { JetStreamLog } from '../src/jetstream-log.ts'

describeWithServer(
  'a connection that is cut while a page is read',
  () => {
    const server = givenServer()

    it.each([0, 1, 4, 9])('and has lost its message %j leaves no hole in what is read', async lost => {
      await using log = await connectLog({ url: server.url, domain: server.domain() })
      if (!(log instanceof JetStreamLog)) throw new Error('it is another log')
      await log.createTopic('t', { keyed: 'history' })
      await log.createTopic('plain')
      for (let n = 0; n < 10; n++) await log.append('t', { key: 'k', value: `${n}` })
      for (let n = 0; n < 10; n++) await log.append('plain', { value: `${n}` })
      const { direct } = log.domain.manager
      const getBatch = direct.getBatch.bind(direct)
      let pages = 0
      direct.getBatch = async (...request) => {
        const found = await getBatch(...request)
        if (pages++ > 0) return found
        const iterate = found[Symbol.asyncIterator].bind(found)
        found[Symbol.asyncIterator] = async function* () {
          let at = 0
          for await (const message of { [Symbol.asyncIterator]: iterate }) if (at++ !== lost) yield message
        }
        return found
      }
      const versions = (await log.history('t', Buffer.from('k'))).map(({ version }) => version)
      expect(versions).toEqual(Array.from({ length: 10 }, (_, version) => version))
      pages = 0
      const { records } = await log.read('plain', 0, { from: 0 })
      expect(records.map(({ value }) => Buffer.from(value!).toString())).toEqual(versions.map(String))
      expect(pages).toBeGreaterThan(0)
    })
  },
  '2.11.0',
)
