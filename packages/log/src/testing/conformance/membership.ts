import type { GroupMember, JoinOptions, Log } from '../../log.ts'

export interface Joined {
  readonly member: GroupMember
  readonly owned: Set<number>
  readonly revoked: number[]
}

/** Members of one group of topic `t`, and what they were told. */
export class Membership {
  readonly #log: Log
  #changed: (() => void)[] = []

  constructor(log: Log) {
    this.#log = log
  }

  async join(options: Partial<JoinOptions> = {}): Promise<Joined> {
    const owned = new Set<number>()
    const revoked: number[] = []
    const member = await this.#log.join({
      groupId: 'g',
      topic: 't',
      ...options,
      onAssignment: async change => {
        for (const partition of change.revoked) owned.delete(partition)
        for (const partition of change.assigned) owned.add(partition)
        revoked.push(...change.revoked)
        await options.onAssignment?.(change)
        const waiting = this.#changed
        this.#changed = []
        for (const resolve of waiting) resolve()
      },
    })
    return { member, owned, revoked }
  }

  /** Waits until it holds; it is looked at after each assignment. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>(resolve => this.#changed.push(resolve))
  }
}

/** Whether every partition has one owner, and the members about as many. */
export const sharedBy = (joined: readonly Joined[], partitions: number): boolean => {
  const all = joined.flatMap(({ owned }) => [...owned])
  const sizes = joined.map(({ owned }) => owned.size)
  return all.length === partitions && new Set(all).size === partitions && Math.max(...sizes) - Math.min(...sizes) <= 1
}
