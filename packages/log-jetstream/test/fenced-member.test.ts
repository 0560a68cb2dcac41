import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

describeWithServer('a member whose position somebody else has moved', () => {
  const server = givenServer()

  it('is refused once, and then has its partition anew, to go on where it was moved to', async () => {
    const domain = server.domain()
    const log = await connectLog({ url: server.url, domain })
    const other = await connectLog({ url: server.url, domain })
    onTestFinished(async () => void (await Promise.all([log.close(), other.close()])))
    await log.createTopic('t')
    await other.describeTopic('t')
    const told: string[] = []
    const member = await log.join({
      groupId: 'g',
      topic: 't',
      onAssignment: async ({ assigned, revoked }) => {
        told.push(...revoked.map(() => 'revoked'), ...assigned.map(() => 'assigned'))
      },
    })
    const position = { groupId: 'g', topic: 't', partition: 0 }
    await log.commitPosition({ ...position, offset: 1, member })
    await other.commitPosition({ ...position, offset: 7 })
    await expect(log.commitPosition({ ...position, offset: 2, member })).rejects.toMatchObject({
      code: 'GENERATION_FENCED',
    })
    await expect.poll(() => told).toEqual(['assigned', 'revoked', 'assigned'])
    expect((await log.committed('g', 't', 0))?.offset).toBe(7)
    await log.commitPosition({ ...position, offset: 8, member })
    expect((await other.committed('g', 't', 0))?.offset).toBe(8)
  })
})
