import { describe, expect, it } from 'vitest'
import { given } from './given.ts'

describe('a shared subscription', () => {
  it('hands out what is urgent first', async () => {
    await using g = await given()
    await g.pubsub.createTopic('jobs')
    const priorities = [0, 5, 9, undefined, 5, 1]
    await g.pubsub.publishMany(
      'jobs',
      priorities.map((priority, payload) => ({ payload, ...(priority !== undefined && { priority }) })),
    )
    const subscription = await g.pubsub.subscribe('jobs', { groupId: 'workers', mode: 'shared', from: 'earliest' })
    const handled: number[] = []
    await subscription.run(({ payload }) => {
      if (handled.push(payload) === priorities.length) void subscription.close()
    })
    expect(handled).toEqual([2, 1, 4, 5, 0, 3])
  })

  it('has more members than the topic has partitions, and each job is done by one of them', async () => {
    await using g = await given()
    await g.pubsub.createTopic('jobs')
    const members = await Promise.all(
      Array.from({ length: 5 }, () => g.pubsub.subscribe('jobs', { groupId: 'workers', mode: 'shared' })),
    )
    const done: number[] = []
    const running = members.map(member =>
      member.run(({ payload }) => {
        if (done.push(payload) === 100) for (const each of members) void each.close()
      }),
    )
    await g.pubsub.publishMany(
      'jobs',
      Array.from({ length: 100 }, (_, payload) => ({ payload })),
    )
    await Promise.all(running)
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at))
  })
})
