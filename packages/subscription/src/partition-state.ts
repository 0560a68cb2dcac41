import type { CommittedPosition } from '@aegis/log'

/** What of one partition is fetched and acknowledged. Offsets may have gaps, so the position follows what was fetched. */
export class PartitionState {
  readonly partition: number
  next: number
  dirty = false
  readonly #unacked = new Set<number>()
  readonly #acked: Set<number>

  constructor(partition: number, position: CommittedPosition) {
    this.partition = partition
    this.next = position.offset
    const acked: unknown = position.metadata === '' ? [] : JSON.parse(position.metadata).acked
    this.#acked = new Set(Array.isArray(acked) ? acked : [])
  }

  /** Whether the record is still to be delivered. */
  fetched(offset: number): boolean {
    if (this.#acked.has(offset)) return false
    this.#unacked.add(offset)
    return true
  }

  ack(offset: number): void {
    if (!this.#unacked.delete(offset)) return
    this.#acked.add(offset)
    this.dirty = true
    const { offset: position } = this.position()
    for (const acked of this.#acked) if (acked < position) this.#acked.delete(acked)
  }

  /** The position to commit; with `also` as if that offset were acknowledged. */
  position(also?: number): CommittedPosition {
    let offset = this.next
    for (const unacked of this.#unacked) {
      if (unacked === also) continue
      offset = unacked
      break
    }
    const acked = [...this.#acked, ...(also === undefined ? [] : [also])].filter(other => other > offset)
    return { offset, metadata: acked.length === 0 ? '' : JSON.stringify({ acked }) }
  }
}
