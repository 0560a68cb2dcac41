/** What a group's members agree on: one entry of the key-value store, changed only by compare-and-set. */
export interface GroupRecord {
  readonly groupId: string
  /** Name of the topic. */
  readonly topic: string
  /** Rises with each change of who is to have what. */
  readonly generation: number
  readonly partitions: number
  /** In the order of joining. */
  readonly members: readonly { readonly id: string; readonly sessionTimeout: number }[]
  /** Who has a partition now: it gives it back itself, or is found to be gone. */
  readonly owners: Readonly<Record<number, string>>
  /** Who is to have it. */
  readonly targets: Readonly<Record<number, string>>
}

export const emptyGroup = (groupId: string, topic: string, partitions: number): GroupRecord => ({
  groupId,
  topic,
  generation: 0,
  partitions,
  members: [],
  owners: {},
  targets: {},
})

const ofMember = (
  record: GroupRecord,
  { id }: { readonly id: string },
  held: Readonly<Record<number, string>>,
): number[] => upTo(record.partitions).filter(partition => held[partition] === id)

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

/** Shares the partitions evenly; only those move that must. Who has left owns nothing any more. */
export function rebalanced(record: GroupRecord): GroupRecord {
  const { members, partitions } = record
  const there = new Set(members.map(({ id }) => id))
  const owners = Object.fromEntries(Object.entries(record.owners).filter(([, id]) => there.has(id)))
  const holders: Record<number, string> = { ...record.targets, ...owners }
  const floor = Math.floor(partitions / Math.max(1, members.length))
  let larger = members.length === 0 ? 0 : partitions % members.length
  const held = members.map(member => ({ member, has: ofMember(record, member, holders) }))
  const targets: Record<number, string> = {}
  const room: { readonly id: string; free: number }[] = []
  for (const { member, has } of held.sort((a, b) => b.has.length - a.has.length)) {
    const share = larger-- > 0 ? floor + 1 : floor
    for (const partition of has.slice(0, share)) targets[partition] = member.id
    room.push({ id: member.id, free: share - Math.min(share, has.length) })
  }
  for (const partition of upTo(partitions)) {
    if (targets[partition] !== undefined) continue
    const next = room.find(({ free }) => free > 0)
    if (next === undefined) break
    next.free--
    targets[partition] = next.id
  }
  return { ...record, generation: record.generation + 1, owners, targets }
}

export const withMember = (record: GroupRecord, id: string, sessionTimeout: number): GroupRecord =>
  record.members.some(member => member.id === id)
    ? record
    : rebalanced({ ...record, members: [...record.members, { id, sessionTimeout }] })

export const withoutMembers = (record: GroupRecord, gone: ReadonlySet<string>): GroupRecord =>
  record.members.some(({ id }) => gone.has(id))
    ? rebalanced({ ...record, members: record.members.filter(({ id }) => !gone.has(id)) })
    : record

export const withPartitions = (record: GroupRecord, partitions: number): GroupRecord =>
  record.partitions >= partitions ? record : rebalanced({ ...record, partitions })

/** The member has given back what it owned. */
export function released(record: GroupRecord, id: string, partitions: readonly number[]): GroupRecord {
  const given = new Set(partitions)
  const owners = Object.fromEntries(
    Object.entries(record.owners).filter(([partition, owner]) => owner !== id || !given.has(Number(partition))),
  )
  return { ...record, owners }
}

/** What a member is to have and nobody else owns. */
export const takeable = (record: GroupRecord, id: string): number[] =>
  upTo(record.partitions).filter(
    partition => record.targets[partition] === id && (record.owners[partition] ?? id) === id,
  )

export const taken = (record: GroupRecord, id: string, partitions: readonly number[]): GroupRecord => ({
  ...record,
  owners: { ...record.owners, ...Object.fromEntries(partitions.map(partition => [partition, id])) },
})
