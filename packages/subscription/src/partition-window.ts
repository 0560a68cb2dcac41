import type { CommittedPosition } from '@aegis/log'

/** The number of deliveries of a record, or this when it is acknowledged. */
const acknowledged = -1

/** Delivery of a partition pauses when this many records lie between the position and the newest one … */
export const maxWindowRecords = 10_000
/** … or when what is to be kept beyond the position may need this many bytes. */
export const maxWindowBytes = 32_768

interface Run {
  readonly last: number
  readonly deliveries: number
}

/** What is kept with the position: after it, runs of neighbours with equal deliveries, and when refused ones are due. */
interface Kept {
  /** Pairs: the run's last offset less the one of the run before, and its deliveries (-1: acknowledged). */
  runs?: number[]
  /** Pairs: offset less that of the position, and milliseconds since the epoch. */
  due?: number[]
}

/**
 * The records of one partition from the first that is not acknowledged to the newest that was fetched.
 *
 * Offsets have gaps, so neighbours are neighbours in delivery. Acknowledgements come in any order; what is committed is
 * the offset of the first record that is not acknowledged, and the runs after it.
 */
export class PartitionWindow {
  readonly partition: number
  /** Where to fetch on. */
  next: number
  /** The partition is another member's now, or the subscription is closed: nothing is acknowledged any more. */
  released = false
  /** Delivery waits until the window is smaller. */
  paused = false
  /** Rises with everything that a commit would store. */
  changes = 0
  /** The `changes` that are committed, or in a commit on its way. */
  #committed = 0
  /** Slots that a commit on its way acknowledges. */
  readonly #expected = new Set<number>()
  readonly #tracked: boolean
  #offsets: number[] = []
  #deliveries: number[] = []
  /** The slot of the first element of the arrays, and the index of the first that is not acknowledged. */
  #base = 0
  #head = 0
  /** How many neighbours differ. */
  #borders = 0
  readonly #due = new Map<number, number>()
  #restored: Run[] = []
  readonly #restoredDue = new Map<number, number>()

  /** Without a group nothing is acknowledged, and nothing is kept: not `tracked`. */
  constructor(partition: number, position: CommittedPosition, tracked: boolean) {
    this.partition = partition
    this.next = position.offset
    this.#tracked = tracked
    this.#restore(position)
  }

  get dirty(): boolean {
    return this.changes > this.#committed
  }

  /** How many records are held, acknowledged ones behind the first that is not included. */
  get size(): number {
    return this.#offsets.length - this.#head
  }

  /** Whether `more` records would be too many. */
  full(more: number): boolean {
    return this.size + more > maxWindowRecords || (this.#borders + this.#due.size) * 12 > maxWindowBytes
  }

  /**
   * The next record that was fetched. Gives its slot, by which it is named from now on; `undefined` when it was
   * acknowledged before.
   */
  add(offset: number): number | undefined {
    if (!this.#tracked) return 0
    const restored = this.#restoredDeliveries(offset)
    const index = this.#offsets.push(offset) - 1
    this.#deliveries.push(restored)
    if (index > this.#head && this.#deliveries[index - 1] !== restored) this.#borders++
    const due = this.#restoredDue.get(offset)
    if (restored === acknowledged) {
      this.#advance()
      return undefined
    }
    const slot = this.#base + index
    if (due !== undefined) this.#due.set(slot, due)
    return slot
  }

  /** Counts one more delivery and gives their number. */
  deliver(slot: number): number {
    if (!this.#tracked) return 1
    const index = slot - this.#base
    if (index < this.#head || this.#deliveries[index] === acknowledged) return 1
    this.#due.delete(slot)
    const deliveries = this.#deliveries[index]! + 1
    this.#set(index, deliveries)
    return deliveries
  }

  /** Deliveries so far. */
  deliveries(slot: number): number {
    return this.#tracked ? Math.max(0, this.#deliveries[slot - this.#base] ?? 0) : 0
  }

  /** Milliseconds since the epoch before which the record is not delivered again. */
  dueAt(slot: number): number | undefined {
    return this.#due.get(slot)
  }

  postpone(slot: number, dueAt: number): void {
    if (!this.#tracked) return
    this.#due.set(slot, dueAt)
    this.changes++
  }

  isAcknowledged(slot: number): boolean {
    const index = slot - this.#base
    return this.#tracked && (index < this.#head || this.#deliveries[index] === acknowledged)
  }

  acknowledge(slot: number): void {
    const index = slot - this.#base
    if (!this.#tracked || index < this.#head || this.#deliveries[index] === acknowledged) return
    this.#due.delete(slot)
    this.#set(index, acknowledged)
    this.#advance()
  }

  /** The position to commit with these slots acknowledged; they count as such in all that is decided until it is known. */
  expect(slots: readonly number[]): CommittedPosition {
    if (this.#tracked) for (const slot of slots) this.#expected.add(slot)
    this.#committed = this.changes
    return this.#position()
  }

  /** The commit of what was expected has happened. */
  confirm(slots: readonly number[]): void {
    const { dirty } = this
    for (const slot of slots) {
      this.#expected.delete(slot)
      this.acknowledge(slot)
    }
    if (!dirty) this.#committed = this.changes
  }

  /** The commit of what was expected has not happened. */
  withdraw(slots: readonly number[]): void {
    for (const slot of slots) this.#expected.delete(slot)
    this.changes++
  }

  #position(): CommittedPosition {
    const count = this.#offsets.length
    const expected = [...this.#expected].map(slot => slot - this.#base).filter(index => index >= this.#head)
    const all = expected.length === 0 ? this.#deliveries : [...this.#deliveries]
    for (const index of expected) all[index] = acknowledged
    let head = this.#head
    while (all[head] === acknowledged) head++
    if (head === count) return { offset: this.next, metadata: '' }
    const offset = this.#offsets[head]!
    const runs: number[] = []
    let before = offset
    for (let index = head; index < count; index++) {
      const deliveries = all[index]!
      if (index + 1 < count ? all[index + 1] === deliveries : deliveries === 0) continue
      const last = this.#offsets[index]!
      runs.push(last - before, deliveries)
      before = last
    }
    const due = [...this.#due]
      .filter(([slot]) => !this.#expected.has(slot))
      .flatMap(([slot, at]) => [this.#offsets[slot - this.#base]! - offset, at])
    if (runs.length === 0 && due.length === 0) return { offset, metadata: '' }
    const kept: Kept = { ...(runs.length > 0 && { runs }), ...(due.length > 0 && { due }) }
    return { offset, metadata: JSON.stringify(kept) }
  }

  #set(index: number, deliveries: number): void {
    this.changes++
    const before = this.#deliveries[index]
    const [left, right] = [this.#deliveries[index - 1], this.#deliveries[index + 1]]
    if (index > this.#head) this.#borders += Number(left !== deliveries) - Number(left !== before)
    if (right !== undefined) this.#borders += Number(right !== deliveries) - Number(right !== before)
    this.#deliveries[index] = deliveries
  }

  #advance(): void {
    while (this.#deliveries[this.#head] === acknowledged) {
      const right = this.#deliveries[++this.#head]
      if (right !== undefined && right !== acknowledged) this.#borders--
    }
    // Seldom, so that the copying is paid by the records that are dropped.
    if (this.#head < 1024 || this.#head * 2 < this.#offsets.length) return
    this.#offsets = this.#offsets.slice(this.#head)
    this.#deliveries = this.#deliveries.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  #restoredDeliveries(offset: number): number {
    while (this.#restored.length > 0 && this.#restored[0]!.last < offset) this.#restored.shift()
    return this.#restored[0]?.deliveries ?? 0
  }

  #restore({ offset, metadata }: CommittedPosition): void {
    const { runs, due } = parseKept(metadata)
    let last = offset
    for (let at = 0; at + 1 < runs.length; at += 2) {
      last += runs[at]!
      this.#restored.push({ last, deliveries: runs[at + 1]! })
    }
    for (let at = 0; at + 1 < due.length; at += 2) this.#restoredDue.set(offset + due[at]!, due[at + 1]!)
  }
}

const numbers = (value: unknown): number[] =>
  Array.isArray(value) && value.every(element => Number.isSafeInteger(element)) ? value : []

/** Metadata that somebody else has put there means that nothing beyond the position is known. */
function parseKept(metadata: string): Required<Kept> {
  let kept: unknown
  try {
    kept = metadata === '' ? undefined : JSON.parse(metadata)
  } catch {
    kept = undefined
  }
  if (typeof kept !== 'object' || kept === null) return { runs: [], due: [] }
  return {
    runs: numbers('runs' in kept ? kept.runs : undefined),
    due: numbers('due' in kept ? kept.due : undefined),
  }
}
