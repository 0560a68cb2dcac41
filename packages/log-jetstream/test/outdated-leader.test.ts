import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'
import { JetStreamLog } from '../src/jetstream-log.ts'
import { keySubject } from '../src/keyed-reads.ts'

describeWithServer('a server that has not noticed yet that it leads no more', () => {
  const server = givenServer()

  it('does not make a member go on from a position that is older than the one it has taken', async () => {
    const log = await connectLog({ url: server.url, domain: server.domain() })
    onTestFinished(() => log.close())
    if (!(log instanceof JetStreamLog)) throw new Error('it is another log')
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
    const log = await connectLog({ url: server.url, domain: server.domain() })
    onTestFinished(() => log.close())
    if (!(log instanceof JetStreamLog)) throw new Error('it is another log')
    await log.createTopic('t', { keyed: 'history' })
    const key = Buffer.from('k')
    for (const value of ['a', 'b', 'c', 'd']) await log.append('t', { key, value })
    const { domain } = log
    const { streams, direct } = domain.manager
    const getMessage = streams.getMessage.bind(streams)
    const getBatch = direct.getBatch.bind(direct)
    // As if there were others that follow it: one has two of the messages so far.
    Object.defineProperty(domain, 'replicas', { value: 3 })
    let pages = 0
    direct.getBatch = async (...request) => {
      const found = await getBatch(...request)
      if (pages++ > 0) return found
      const all = found[Symbol.asyncIterator].bind(found)
      found[Symbol.asyncIterator] = async function* () {
        let count = 0
        for await (const message of { [Symbol.asyncIterator]: all }) {
          if (++count <= 2) yield Object.create(message, { pending: { value: 2 - count } })
        }
      }
      return found
    }
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
})

describeWithServer('a history that is truncated while it is read', () => {
  const server = givenServer()

  it('has no hole where records were freed meanwhile', async () => {
    const log = await connectLog({ url: server.url, domain: server.domain() })
    onTestFinished(() => log.close())
    if (!(log instanceof JetStreamLog)) throw new Error('it is another log')
    await log.createTopic('t', { keyed: 'history' })
    const key = Buffer.from('k')
    for (const value of ['a', 'b', 'c', 'd', 'e']) await log.append('t', { key, value })
    const { direct } = log.domain.manager
    const getBatch = direct.getBatch.bind(direct)
    let pages = 0
    direct.getBatch = async (...request) => {
      const found = await getBatch(...request)
      if (pages++ > 0) return found
      const all = found[Symbol.asyncIterator].bind(found)
      // The server has sent one of them when the next two go.
      found[Symbol.asyncIterator] = async function* () {
        for await (const message of { [Symbol.asyncIterator]: all }) {
          yield Object.create(message, { pending: { value: 4 } })
          break
        }
        await log.truncateHistory('t', key, 3)
        await log.runMaintenance()
      }
      return found
    }
    expect((await log.history('t', key)).map(({ value }) => Buffer.from(value!).toString())).toEqual(['d', 'e'])
  })
})
