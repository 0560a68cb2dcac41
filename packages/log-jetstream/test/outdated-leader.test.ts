import { expect, it } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { keySubject } from '../src/keyed-reads.ts'
import { changeFirstPage, connectInside } from './first-page.ts'

describeWithServer(
  'a server that has not noticed yet that it leads no more',
  () => {
    const server = givenServer()

    it('does not make a member go on from a position that is older than the one it has taken', async () => {
      await using log = await connectInside(server.url, server.domain())
      await log.createTopic('t')
      const position = { groupId: 'g', topic: 't', partition: 0 }
      const join = (onAssigned: () => Promise<void>) =>
        log.join({
          groupId: 'g',
          topic: 't',
          onAssignment: ({ assigned }) => (assigned.length > 0 ? onAssigned() : Promise.resolve()),
        })
      const former = await join(async () => undefined)
      await log.commitPosition({ ...position, offset: 1, member: former })
      const { streams } = log.domain.manager
      const getMessage = streams.getMessage.bind(streams)
      const subject = log.positions.subject(log.find('t'), 'g', 0)
      const before = await getMessage(log.domain.stream, { last_by_subj: subject })
      await log.commitPosition({ ...position, offset: 2, member: former })
      await former.leave()
      let outdated = 0
      let found: number | undefined
      const member = await join(async () => {
        // It has taken the partition; what it is told now is from before.
        streams.getMessage = async (...request) => (outdated++ === 0 ? before : getMessage(...request))
        found = (await log.committed('g', 't', 0))?.offset
      })
      expect({ found, outdated }).toEqual({ found: 2, outdated: 2 })
      await log.commitPosition({ ...position, offset: 3, member })
      expect((await log.committed('g', 't', 0))?.offset).toBe(3)
    })

    it('leaves no hole in the history of a key', async () => {
      await using log = await connectInside(server.url, server.domain())
      await log.createTopic('t', { keyed: 'history' })
      const key = Buffer.from('k')
      for (const value of ['a', 'b', 'c', 'd']) await log.append('t', { key, value })
      const { domain } = log
      const { streams } = domain.manager
      const getMessage = streams.getMessage.bind(streams)
      // As if there were others that follow it: one has two of the messages so far.
      Object.defineProperty(domain, 'replicas', { value: 3 })
      changeFirstPage(log, async function* (messages) {
        let count = 0
        for await (const message of messages) {
          if (++count <= 2) yield Object.create(message, { pending: { value: 2 - count } })
        }
      })
      let asked = 0
      streams.getMessage = async (stream, query) =>
        // The second that is asked for the newest has only those two.
        ++asked === 2
          ? getMessage(stream, { seq: 1, next_by_subj: keySubject(domain, log.find('t'), key) } as never)
          : getMessage(stream, query)
      expect((await log.history('t', key)).map(({ value }) => Buffer.from(value!).toString())).toEqual([
        'a',
        'b',
        'c',
        'd',
      ])
      expect(asked).toBeGreaterThan(2)
    })
  },
  '2.11.0',
)
