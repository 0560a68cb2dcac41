import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { changeFirstPage, connectInside } from './first-page.ts'

describeWithServer(
  'a history that is truncated while it is read',
  () => {
    const server = givenServer()

    it('has no hole where records were freed meanwhile', async () => {
      await using log = await connectInside(server.url, server.domain())
      await log.createTopic('t', { keyed: 'history' })
      const key = Buffer.from('k')
      for (const value of ['a', 'b', 'c', 'd', 'e']) await log.append('t', { key, value })
      // The server has sent one of them when the next two go.
      changeFirstPage(log, async function* (messages) {
        for await (const message of messages) {
          yield Object.create(message, { pending: { value: 4 } })
          break
        }
        await log.truncateHistory('t', key, 3)
        await log.runMaintenance()
      })
      expect((await log.history('t', key)).map(({ value }) => Buffer.from(value!).toString())).toEqual(['d', 'e'])
    })
  },
  '2.11.0',
)
