import type { GroupMember } from '../../log.ts'
import { Membership, sharedBy } from './membership.ts'
import { type LogTests, outcome, upTo, valuesOf } from './runner.ts'

/** Members of groups, and who may commit. */
export function groupTests({ describe, it, expect }: LogTests): void {
  describe('a group', () => {
    it('gives all partitions to its only member, also to one that joins after all have left', async log => {
      await log.createTopic('t', { partitions: 3 })
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 3)
      await first.member.leave()
      const second = await members.join()
      await members.until(() => second.owned.size === 3)
      expect([...second.member.partitions].sort()).toEqual([0, 1, 2])
    })

    it('shares partitions evenly, moves only what must move, and leaves none without owner', async log => {
      await log.createTopic('t', { partitions: 4 })
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 4)
      const second = await members.join()
      await members.until(() => sharedBy([first, second], 4))
      expect([first.revoked.length, second.revoked.length]).toEqual([2, 0])
      const third = await members.join()
      await members.until(() => sharedBy([first, second, third], 4))
      expect(first.revoked.length + second.revoked.length).toEqual(3)
      await second.member.leave()
      await members.until(() => sharedBy([first, third], 4))
      await first.member.leave()
      await members.until(() => third.owned.size === 4)
      expect(third.revoked).toEqual([])
    })

    it('gives a member beyond the partitions nothing, until one leaves', async log => {
      await log.createTopic('t', { partitions: 1 })
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 1)
      const second = await members.join()
      expect([first.revoked, second.owned.size]).toEqual([[], 0])
      await first.member.leave()
      await members.until(() => second.owned.size === 1)
    })

    it('hands a partition over only when its former owner has let go', async log => {
      await log.createTopic('t', { partitions: 2 })
      const members = new Membership(log)
      const events: string[] = []
      const first = await members.join({
        async onAssignment({ revoked }) {
          if (revoked.length === 0) return
          events.push('letting go')
          await log.commitPosition({
            groupId: 'g',
            topic: 't',
            partition: revoked[0]!,
            offset: 7,
            member: first.member,
          })
          events.push('let go')
        },
      })
      await members.until(() => first.owned.size === 2)
      const second = await members.join({
        async onAssignment({ assigned }) {
          if (assigned.length > 0) events.push('taken over')
        },
      })
      await members.until(() => second.owned.size === 1)
      expect(events).toEqual(['letting go', 'let go', 'taken over'])
      expect((await log.committed('g', 't', [...second.owned][0]!))?.offset).toEqual(7)
    })

    it('shares out partitions that are added to the topic', async log => {
      await log.createTopic('t', { partitions: 1 })
      const members = new Membership(log)
      const joined = [await members.join(), await members.join()]
      const before = joined.map(({ member }) => member.generation)
      await log.alterTopic('t', { partitions: 4 })
      await members.until(() => sharedBy(joined, 4))
      expect(joined.every(({ member }, n) => member.generation > before[n]!)).toEqual(true)
    })

    it('of the same id on another topic is another one', async log => {
      await log.createTopic('t')
      await log.createTopic('u')
      const members = new Membership(log)
      const one = await members.join()
      const other = await members.join({ topic: 'u' })
      await members.until(() => one.owned.size === 1 && other.owned.size === 1)
      expect(one.revoked).toEqual([])
    })

    it('that several join and leave at once ends with every partition owned once', async log => {
      await log.createTopic('t', { partitions: 6 })
      const members = new Membership(log)
      const joined = await Promise.all(upTo(4).map(() => members.join()))
      await members.until(() => sharedBy(joined, 6))
      await Promise.all([joined[0]!.member.leave(), joined[2]!.member.leave()])
      await members.until(() => sharedBy([joined[1]!, joined[3]!], 6))
    })

    for (const told of ['assigned', 'revoked'] as const) {
      it(`lets a member leave while it is told what is ${told}, and goes on without it`, async log => {
        await log.createTopic('t', { partitions: 4 })
        const members = new Membership(log)
        const leaver: { member?: GroupMember } = {}
        const first = await members.join({
          async onAssignment(change) {
            if (change[told].length > 0) await leaver.member?.leave()
          },
        })
        await members.until(() => first.owned.size === 4)
        if (told === 'revoked') leaver.member = first.member
        const second = await members.join()
        if (told === 'assigned') {
          await members.until(() => sharedBy([first, second], 4))
          leaver.member = first.member
          await second.member.leave()
        }
        const third = await members.join()
        const staying = told === 'assigned' ? [third] : [second, third]
        await members.until(() => sharedBy(staying, 4))
        await first.member.leave()
        expect([...first.member.partitions]).toEqual([])
      })
    }

    it('whose member fails when it is told its partitions refuses that member, and goes on', async log => {
      await log.createTopic('t', { partitions: 2 })
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 2)
      const failing = members.join({ onAssignment: () => Promise.reject(new Error('no')) })
      expect(await outcome(() => failing)).toEqual('Error: no')
      await members.until(() => first.owned.size === 2)
    })
  })

  describe('a member that has lost its partition', () => {
    it('is refused: it can commit no position of it', async log => {
      await log.createTopic('t', { partitions: 2 })
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 2)
      const second = await members.join()
      await members.until(() => second.owned.size === 1)
      const partition = [...second.owned][0]!
      const stale = { groupId: 'g', topic: 't', partition, offset: 1, member: first.member }
      expect(await outcome(() => log.commitPosition(stale))).toEqual('GENERATION_FENCED')
      expect(await log.committed('g', 't', partition)).toEqual(undefined)
      await log.commitPosition({ ...stale, offset: 2, member: second.member })
      await log.commitPosition({ ...stale, partition: [...first.owned][0]!, offset: 3 })
      expect((await log.committed('g', 't', partition))?.offset).toEqual(2)
    })

    it('is refused the whole transaction, outputs and all', async log => {
      if (!log.capabilities.transactions) return
      await log.createTopic('t')
      await log.createTopic('out')
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 1)
      const second = await members.join()
      const late = log.transaction(async tx => {
        tx.append('out', { value: 'late' })
        tx.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 1, member: first.member })
        await first.member.leave()
        await members.until(() => second.owned.size === 1)
      })
      expect(await outcome(() => late)).toEqual('GENERATION_FENCED')
      expect([await valuesOf(log, 'out'), await log.committed('g', 't', 0)]).toEqual([[], undefined])
      await log.transaction(tx =>
        tx.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 2, member: second.member }),
      )
      expect((await log.committed('g', 't', 0))?.offset).toEqual(2)
    })

    it('is refused another group’s and another topic’s positions at all times', async log => {
      await log.createTopic('t')
      await log.createTopic('u')
      const members = new Membership(log)
      const { member, owned } = await members.join()
      await members.until(() => owned.size === 1)
      for (const other of [
        { groupId: 'h', topic: 't' },
        { groupId: 'g', topic: 'u' },
      ]) {
        const commit = { ...other, partition: 0, offset: 1, member }
        expect(await outcome(() => log.commitPosition(commit))).toEqual('GENERATION_FENCED')
      }
    })

    it('by leaving, or with its topic, is refused as well', async log => {
      await log.createTopic('t')
      const members = new Membership(log)
      const first = await members.join()
      await members.until(() => first.owned.size === 1)
      const position = { groupId: 'g', topic: 't', partition: 0, offset: 1 }
      await first.member.leave()
      expect(await outcome(() => log.commitPosition({ ...position, member: first.member }))).toEqual(
        'GENERATION_FENCED',
      )
      const second = await members.join()
      await members.until(() => second.owned.size === 1)
      await log.deleteTopic('t')
      await log.createTopic('t')
      expect(await outcome(() => log.commitPosition({ ...position, member: second.member }))).toEqual(
        'GENERATION_FENCED',
      )
    })
  })
}
