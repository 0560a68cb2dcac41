import { type Log, type LogRecord, partitionForKey } from '@aegis/log'
import { eventsTopic } from '../event-codec.ts'
import { invalid } from '../invalid.ts'

// A topic without records: its partitions are what the members of a group share among them, in one process or several.
const slotsTopic = '$events.slots'

/** The streams are dealt out by their ids to so many slots: most members that a group can keep busy. */
export const slotCount = 8

/** Makes the topic whose partitions are the slots; gives its name. */
export async function prepareSlots(log: Log): Promise<string> {
  await log.createTopic(slotsTopic, { partitions: slotCount })
  return slotsTopic
}

/** The group that handles the streams of a slot: a group of the events like any other, with a position of its own. */
export const slotGroup = (groupId: string, slot: number): string => `${groupId}#${slot}`

/** The groups of all slots. @throws AegisError `EVENT_INVALID` */
export function slotGroups(groupId: string): string[] {
  if (typeof groupId !== 'string' || groupId === '' || groupId.length > 900)
    throw invalid(`groupId ${JSON.stringify(groupId)}: give a text of 1 to 900 characters`)
  return Array.from({ length: slotCount }, (_, slot) => slotGroup(groupId, slot))
}

/** The groups of the events that a group is: itself, or those of its slots. @throws AegisError `EVENT_INVALID` */
export async function groupsOf(log: Log, groupId: string): Promise<string[]> {
  if (typeof groupId !== 'string' || groupId === '')
    throw invalid(`groupId ${JSON.stringify(groupId)}: give the text that the group subscribes with`)
  const shares = await log.committed(slotGroup(groupId, 0), eventsTopic, 0)
  return shares === undefined ? [groupId] : slotGroups(groupId)
}

export const isOfSlot =
  (slot: number) =>
  ({ key }: LogRecord): boolean =>
    partitionForKey(key!, slotCount) === slot
