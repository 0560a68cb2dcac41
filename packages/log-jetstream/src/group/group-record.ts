export interface MemberEntry {
  /** Another one each time that it joins. */
  readonly id: string
  readonly sessionTimeout: number
  /** A name that it keeps when it is started again. */
  readonly instanceId?: string
  /** It has left, and its place is kept: what is to be its stays so, and it owns nothing. */
  readonly away?: boolean
}

/** What a group's members agree on: one entry of the key-value store, changed only by compare-and-set. */
export interface GroupRecord {
  readonly groupId: string
  /** Name of the topic. */
  readonly topic: string
  /** Rises with each change of who is to have what. */
  readonly generation: number
  readonly partitions: number
  /** In the order of joining. */
  readonly members: readonly MemberEntry[]
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

const instanceOf = ({ members }: GroupRecord, instanceId: string | undefined): MemberEntry | undefined =>
  members.find(member => instanceId !== undefined && member.instanceId === instanceId)

/** An instance that was here takes its place again, from whoever has it: nothing changes for the others. */
export function withMember(record: GroupRecord, member: MemberEntry): GroupRecord {
  if (record.members.some(({ id }) => id === member.id)) return record
  const before = instanceOf(record, member.instanceId)
  if (before === undefined) return rebalanced({ ...record, members: [...record.members, member] })
  const handedOver = (held: GroupRecord['owners']): GroupRecord['owners'] =>
    Object.fromEntries(Object.entries(held).map(([at, id]) => [at, id === before.id ? member.id : id]))
  return {
    ...record,
    generation: record.generation + 1,
    members: record.members.map(other => (other === before ? member : other)),
    owners: handedOver(record.owners),
    targets: handedOver(record.targets),
  }
}

/** Whether another one with the same name has taken the member's place. */
export const isReplaced = (record: GroupRecord, { id, instanceId }: MemberEntry): boolean => {
  const instance = instanceOf(record, instanceId)
  return instance !== undefined && instance.id !== id
}

/** The member owns nothing any more, and its place is kept. */
export function withAway(record: GroupRecord, id: string): GroupRecord {
  if (!record.members.some(member => member.id === id)) return record
  const members = record.members.map(member => (member.id === id ? { ...member, away: true } : member))
  const owners = Object.fromEntries(Object.entries(record.owners).filter(([, owner]) => owner !== id))
  return { ...record, generation: record.generation + 1, members, owners }
}

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
