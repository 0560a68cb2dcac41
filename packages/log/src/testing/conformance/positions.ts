import type { Log, ResetTo } from '../../log.ts'
import { type LogTests, outcome, upTo } from './runner.ts'

const stay = async (): Promise<void> => undefined
const lags = async (log: Log): Promise<number[]> => (await log.lag('g', 't')).map(({ lag }) => lag)

/** Committed positions of groups, and what follows from them. */
export function positionTests({ describe, it, expect }: LogTests): void {
  describe('a committed position', () => {
    it('is kept with its metadata, by partition, the last one wins', async log => {
      await log.createTopic('t', { partitions: 2 })
      const commit = (partition: number, offset: number, metadata?: string) =>
        log.commitPosition({
          groupId: 'g',
          topic: 't',
          partition,
          offset,
          ...(metadata === undefined ? {} : { metadata }),
        })
      expect(await log.committed('g', 't', 0)).toEqual(undefined)
      await commit(0, 5)
      await commit(1, 6, 'é😀\0"')
      expect([await log.committed('g', 't', 0), await log.committed('g', 't', 1)]).toEqual([
        { offset: 5, metadata: '' },
        { offset: 6, metadata: 'é😀\0"' },
      ])
      await commit(0, 3, 'back')
      expect(await log.committed('g', 't', 0)).toEqual({ offset: 3, metadata: 'back' })
    })

    it('that cannot be is refused, in a transaction too', async log => {
      await log.createTopic('t')
      const position = { groupId: 'g', topic: 't', partition: 0, offset: 0 }
      const wrong: object[] = [
        { offset: -1 },
        { offset: 0.5 },
        { offset: Number.NaN },
        { metadata: 'x'.repeat(40_000) },
      ]
      for (const part of wrong) {
        expect(await outcome(() => log.commitPosition({ ...position, ...part }))).toEqual('LOG_INVALID')
        if (!log.capabilities.transactions) continue
        const within = log.transaction(tx => tx.commitPosition({ ...position, ...part }))
        expect(await outcome(() => within)).toEqual('LOG_INVALID')
      }
      expect(await outcome(() => log.commitPosition({ ...position, partition: 1 }))).toEqual('PARTITION_UNKNOWN')
      expect(await log.committed('g', 't', 0)).toEqual(undefined)
    })

    it('of a topic that was deleted and created again is not taken for one of the new topic', async log => {
      await log.createTopic('t')
      await log.append('t', { value: 'v' })
      await log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 1 })
      await log.deleteTopic('t')
      await log.createTopic('t')
      expect(await outcome(() => log.committed('g', 't', 0))).toEqual('OFFSET_RESET')
      expect(await outcome(() => log.committed('new', 't', 0))).toEqual('done')
      await log.resetGroup('g', 't', 'earliest')
      expect((await log.committed('g', 't', 0))?.offset).toEqual(await log.startOffset('t', 0))
    })

    it('that is decided in the order of commits knows all before it, and is not asked for when the commit is refused', async log => {
      if (!log.capabilities.transactions) return
      await log.createTopic('t', { keyed: 'latest' })
      const decided: string[] = []
      const commit = (name: string, expected: number | 'any' = 'any'): Promise<string> =>
        outcome(() =>
          log.transaction(
            tx => {
              const decide = () => ({ offset: decided.push(name), metadata: decided.join() })
              tx.commitPosition({ groupId: 'g', topic: 't', partition: 0, decide })
              tx.append('t', { key: name, value: 'v' }, { expected })
            },
            { retries: 20 },
          ),
        )
      expect(await Promise.all([commit('a'), commit('b', 7), commit('c')])).toEqual([
        'done',
        'VERSION_CONFLICT',
        'done',
      ])
      expect(decided.toSorted()).toEqual(['a', 'c'])
      expect(await log.committed('g', 't', 0)).toEqual({ offset: 2, metadata: decided.join() })
    })
  })

  describe('groups', () => {
    it('are listed with members and positions, and forgotten with neither', async log => {
      await log.createTopic('t', { partitions: 2 })
      for (const partition of [1, 0]) {
        await log.commitPosition({ groupId: 'stored', topic: 't', partition, offset: 0, metadata: 'm' })
      }
      const member = await log.join({ groupId: 'active', topic: 't', onAssignment: stay })
      const list = async () =>
        (await log.listGroups()).map(({ groupId, topic, members }) => `${groupId} ${topic} ${members}`)
      expect((await list()).sort()).toEqual(['active t 1', 'stored t 0'])
      const [details] = (await log.describeGroup('active', 't')).memberDetails
      expect([details!.memberId, details!.partitions]).toEqual([member.memberId, [0, 1]])
      expect((await log.describeGroup('stored', 't')).positions[1]).toEqual({
        partition: 1,
        lag: 0,
        position: { offset: 0, metadata: 'm' },
      })
      await member.leave()
      expect(await list()).toEqual(['stored t 0'])
    })

    it('know how much they have still to read', async log => {
      await log.createTopic('t', { partitions: 2 })
      const { positions } = await log.append(
        't',
        upTo(12).map(n => ({ value: `${n}`, partition: n % 3 === 0 ? 1 : 0 })),
      )
      await log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: positions[4]!.offset + 1 })
      const found = await lags(log)
      // Records 5, 7, 8, 10, 11 of partition 0; all four of partition 1, which has no position.
      if (log.capabilities.lag === 'exact') expect(found).toEqual([5, 4])
      else expect(found.every(lag => lag > 0)).toEqual(true)
      await log.resetGroup('g', 't', 'latest')
      expect(await lags(log)).toEqual([0, 0])
    })

    it('are reset to the earliest, the latest or an offset', async log => {
      await log.createTopic('t', { partitions: 2 })
      const { positions } = await log.append(
        't',
        upTo(6).map(n => ({ value: `${n}`, partition: n % 2 })),
      )
      const offsets = async (): Promise<(number | undefined)[]> =>
        Promise.all([0, 1].map(async partition => (await log.committed('g', 't', partition))?.offset))
      await log.resetGroup('g', 't', 'latest')
      const end = await log.endOffset('t')
      expect(await offsets()).toEqual([end, end])
      await log.resetGroup('g', 't', 'earliest')
      expect(await offsets()).toEqual([await log.startOffset('t', 0), await log.startOffset('t', 1)])
      await log.resetGroup('g', 't', { offset: positions[3]!.offset })
      expect(await offsets()).toEqual([positions[3]!.offset, positions[3]!.offset])
      for (const to of ['somewhere', { offset: -1 }, { time: Number.NaN }, {}, undefined]) {
        expect(await outcome(() => log.resetGroup('g', 't', to as ResetTo))).toEqual('LOG_INVALID')
      }
    })

    it('are not reset while they have members', async log => {
      await log.createTopic('t')
      const member = await log.join({ groupId: 'g', topic: 't', onAssignment: stay })
      expect(await outcome(() => log.resetGroup('g', 't', 'earliest'))).toEqual('GROUP_ACTIVE')
      expect(await log.committed('g', 't', 0)).toEqual(undefined)
      await member.leave()
      expect(await outcome(() => log.resetGroup('g', 't', 'earliest'))).toEqual('done')
    })
  })
}
