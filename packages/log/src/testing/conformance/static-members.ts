import { Membership, sharedBy } from './membership.ts'
import { type LogTests, onlyWhere, outcome } from './runner.ts'

/** Members that keep a name when they are started again. */
export function staticMemberTests({ describe, it: itself, expect }: LogTests): void {
  const it = onlyWhere(itself, log => log.capabilities.staticMembers)

  describe('a member with an instance id', () => {
    it('leaves and comes back to its partitions, and the others notice nothing', async log => {
      await log.createTopic('t', { partitions: 4 })
      const members = new Membership(log)
      const first = await members.join({ instanceId: 'one' })
      const other = await members.join()
      await members.until(() => sharedBy([first, other], 4))
      const partitions = [...first.owned].sort()
      await first.member.leave()
      const stale = { groupId: 'g', topic: 't', partition: partitions[0]!, offset: 1, member: first.member }
      expect(await outcome(() => log.commitPosition(stale))).toEqual('GENERATION_FENCED')
      const again = await members.join({ instanceId: 'one' })
      expect([...again.owned].sort()).toEqual(partitions)
      expect([other.owned.size, other.revoked]).toEqual([2, []])
      await log.commitPosition({ ...stale, member: again.member })
      expect((await log.describeGroup('g', 't')).members).toEqual(2)
    })

    it('that stays away loses its place when its session timeout is over', async log => {
      await log.createTopic('t', { partitions: 2 })
      const members = new Membership(log)
      const first = await members.join({ instanceId: 'one', sessionTimeout: 300 })
      const other = await members.join()
      await members.until(() => sharedBy([first, other], 2))
      await first.member.leave()
      expect((await log.describeGroup('g', 't')).members).toEqual(1)
      await members.until(() => other.owned.size === 2)
    })

    it('is fenced by another one with the same id, which takes its place', async log => {
      await log.createTopic('t', { partitions: 2 })
      const members = new Membership(log)
      const first = await members.join({ instanceId: 'one' })
      await members.until(() => first.owned.size === 2)
      const second = await members.join({ instanceId: 'one' })
      // The former is told when it hears of it, elsewhere perhaps later.
      await members.until(() => second.owned.size === 2 && first.owned.size === 0)
      const position = { groupId: 'g', topic: 't', partition: 0, offset: 1 }
      expect(await outcome(() => log.commitPosition({ ...position, member: first.member }))).toEqual(
        'GENERATION_FENCED',
      )
      await first.member.leave()
      expect(first.member.partitions.size).toEqual(0)
      await log.commitPosition({ ...position, member: second.member })
      expect([...second.member.partitions].sort()).toEqual([0, 1])
    })

    it('keeps its place while others come and go', async log => {
      await log.createTopic('t', { partitions: 6 })
      const members = new Membership(log)
      const first = await members.join({ instanceId: 'one' })
      const second = await members.join({ instanceId: 'two' })
      await members.until(() => sharedBy([first, second], 6))
      await first.member.leave()
      const third = await members.join()
      await members.until(() => second.owned.size === 2 && third.owned.size === 2)
      const again = await members.join({ instanceId: 'one' })
      await members.until(() => sharedBy([again, second, third], 6))
      await third.member.leave()
      await members.until(() => sharedBy([again, second], 6))
    })

    it('has a name of 1 to 200 characters', async log => {
      await log.createTopic('t')
      const members = new Membership(log)
      for (const instanceId of ['', 'x'.repeat(201), 7 as never]) {
        expect(await outcome(() => members.join({ instanceId }))).toEqual('LOG_INVALID')
      }
      expect(await log.listGroups()).toEqual([])
    })

    itself('is refused where the log cannot keep its place', async log => {
      if (log.capabilities.staticMembers) return
      await log.createTopic('t')
      expect(await outcome(() => new Membership(log).join({ instanceId: 'one' }))).toEqual('LOG_INVALID')
    })
  })
}
