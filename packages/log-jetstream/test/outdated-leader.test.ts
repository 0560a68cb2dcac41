import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'
import { JetStreamLog } from '../src/jetstream-log.ts'

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
})
