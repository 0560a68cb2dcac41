import { AegisError, type StorageReader } from '@aegis/storage'
import { escaped, Space, unescaped } from '../keys.ts'

/**
 * Groups whose topic was deleted while they had positions in it. When a topic of that name is created again, they neither
 * go on in other records as if nothing had happened, nor skip them as if they were new: they are to be reset.
 */
export class AbandonedGroups {
  /** By topic. */
  readonly #groups = new Map<string, Set<string>>()

  async load(storage: StorageReader): Promise<void> {
    const all = { gte: Uint8Array.of(Space.abandoned), lt: Uint8Array.of(Space.abandoned + 1) }
    for await (const entries of storage.range(all)) {
      for (const [key] of entries) {
        const topic = unescaped(key, 1)
        const groupId = unescaped(key, 1 + escaped(topic).length)
        this.add(Buffer.from(topic).toString(), [Buffer.from(groupId).toString()])
      }
    }
  }

  /** To be called when it is stored. */
  add(topic: string, groupIds: Iterable<string>): void {
    const known = this.#groups.get(topic)
    if (known === undefined) this.#groups.set(topic, new Set(groupIds))
    else for (const groupId of groupIds) known.add(groupId)
  }

  /** To be called when the group was reset. */
  delete(topic: string, groupId: string): void {
    this.#groups.get(topic)?.delete(groupId)
  }

  /** @throws AegisError `OFFSET_RESET` */
  check(topic: string, groupId: string): void {
    if (this.#groups.get(topic)?.has(groupId) !== true) return
    throw new AegisError(
      'OFFSET_RESET',
      `topic ${topic} was deleted and created again since group ${groupId} committed its positions: resetGroup says where it is to go on`,
      { details: { topic, groupId } },
    )
  }
}
