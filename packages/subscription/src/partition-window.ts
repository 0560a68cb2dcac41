import type { CommittedPosition } from '@aegis/log'
import {
  type DeliveredRun,
  type DueRun,
  type KeptRuns,
  keptPosition,
  maxMetadataBytes,
  parseKept,
} from './kept-position.ts'

/** The number of deliveries of a record, or this when it is acknowledged. */
const acknowledged = -1

/** Delivery of a partition pauses when this many records lie between the position and the newest one. */
export const maxWindowRecords = 10_000
/** What one place where neighbours differ may need in the metadata of the position, until it was seen. */
const bytesOfBorder = 16

/**
 * The records of one partition from the first that is not acknowledged to the newest that was fetched.
 *
 * Offsets have gaps, so neighbours are neighbours in delivery. Acknowledgements come in any order; what is committed is
 * the offset of the first record that is not acknowledged, and the runs after it.
 */
export class PartitionWindow {
  /** The offset after all that was added, and what was passed over. */
  next: number
  /** Rises with everything that a commit would store. */
  changes = 0
  /** The `changes` that are committed, or in a commit on its way. */
  #committed = 0
  /** The `changes` that are committed and durable. */
  #durable = 0
  /** The `changes` with the last acknowledgement. */
  #acknowledged = 0
  /** Slots that a commit on its way acknowledges. */
  readonly #expected = new Set<number>()
  readonly #tracked: boolean
  #offsets: number[] = []
  #deliveries: number[] = []
  /** When each is due, in milliseconds since the epoch; 0: at once. */
  #due: number[] = []
  /** The slot of the first element of the arrays, and the index of the first that is not acknowledged. */
  #base = 0
  #head = 0
  /** How many neighbours differ in deliveries, and in when they are due. */
  #borders = 0
  #dueBorders = 0
  #bytesOfBorder = bytesOfBorder
  #restored: readonly DeliveredRun[]
  #restoredAt = 0
  #restoredDue: readonly DueRun[]
  #restoredDueAt = 0

  /** Without a group nothing is acknowledged, and nothing is kept: not `tracked`. */
  constructor(position: CommittedPosition, tracked: boolean) {
    this.next = position.offset
    this.#tracked = tracked
    const { runs, due } = parseKept(position)
    this.#restored = runs
    this.#restoredDue = due
  }

  /** Whether something is in no commit. */
  get dirty(): boolean {
    return this.changes > this.#committed
  }

  /** Whether something is not known to be durable: in no commit, or in one on its way. */
  get unconfirmed(): boolean {
    return this.changes > this.#durable
  }

  /** Whether an acknowledgement is not known to be durable. */
  get acknowledgesUnconfirmed(): boolean {
    return this.#acknowledged > this.#durable
  }

  /** How many records are held, acknowledged ones behind the first that is not included. */
  get size(): number {
    return this.#offsets.length - this.#head
  }

  /** Whether `more` records would be too many, or what is to be kept beyond the position has become too long. */
  full(more: number): boolean {
    const borders = this.#borders + this.#dueBorders
    return this.size + more > maxWindowRecords || borders * this.#bytesOfBorder > maxMetadataBytes
  }

  /**
   * The next record that was fetched. Gives its slot, by which it is named from now on; `undefined` when it was
   * acknowledged before.
   */
  add(offset: number): number | undefined {
    if (!this.#tracked) return 0
    const deliveries = this.#restored.length === 0 ? 0 : this.#restoredDeliveries(offset)
    const due = this.#restoredDue.length === 0 ? 0 : this.#restoredDueTime(offset)
    const index = this.#offsets.push(offset) - 1
    this.#deliveries.push(deliveries)
    this.#due.push(due)
    if (index > this.#head) {
      if (this.#deliveries[index - 1] !== deliveries) this.#borders++
      if (this.#due[index - 1] !== due) this.#dueBorders++
    }
    if (deliveries !== acknowledged) return this.#base + index
    this.#advance()
    return undefined
  }

  /** `next` has moved without a record: that is to be committed as well. */
  pass(): void {
    if (this.#tracked) this.changes++
  }

  /** Counts one more delivery, which is not due again before `due`, and gives their number. */
  deliver(slot: number, due = 0): number {
    const index = slot - this.#base
    if (!this.#tracked || this.#isDone(index)) return 1
    const deliveries = this.#deliveries[index]! + 1
    this.#set(index, deliveries, due)
    return deliveries
  }

  /** Takes back a delivery that did not happen. */
  undeliver(slot: number, due = 0): void {
    const index = slot - this.#base
    if (this.#tracked && !this.#isDone(index)) this.#set(index, Math.max(0, this.#deliveries[index]! - 1), due)
  }

  /** Deliveries so far. */
  deliveries(slot: number): number {
    return this.#tracked ? Math.max(0, this.#deliveries[slot - this.#base] ?? 0) : 0
  }

  /** Milliseconds since the epoch before which the record is not delivered again; 0 when it is due. */
  dueAt(slot: number): number {
    return this.#due[slot - this.#base] ?? 0
  }

  postpone(slot: number, due: number): void {
    const index = slot - this.#base
    if (this.#tracked && !this.#isDone(index)) this.#set(index, this.#deliveries[index]!, due)
  }

  isAcknowledged(slot: number): boolean {
    return this.#tracked && this.#isDone(slot - this.#base)
  }

  acknowledge(slot: number): void {
    const index = slot - this.#base
    if (!this.#tracked || this.#isDone(index)) return
    this.#set(index, acknowledged, 0)
    this.#acknowledged = this.changes
    if (index === this.#head) this.#advance()
  }

  /** The position to commit with these acknowledged; they count as such in all that is decided until it is known. */
  expect(acknowledging: readonly { readonly slot: number }[]): CommittedPosition {
    if (this.#tracked) for (const { slot } of acknowledging) this.#expected.add(slot)
    this.#committed = this.changes
    return this.#position()
  }

  /** The commit of what was expected has happened, at so many `changes`. */
  confirm(acknowledged: readonly { readonly slot: number }[], at: number): void {
    const { dirty, changes } = this
    for (const { slot } of acknowledged) {
      this.#expected.delete(slot)
      this.acknowledge(slot)
    }
    if (!dirty) this.#committed = this.changes
    this.#durable = Math.max(this.#durable, at === changes ? this.changes : at)
  }

  /** The commit of what was expected has not happened. */
  withdraw(refused: readonly { readonly slot: number }[]): void {
    for (const { slot } of refused) this.#expected.delete(slot)
    this.changes++
  }

  #position(): CommittedPosition {
    const count = this.#offsets.length
    const [deliveries, due] = this.#asExpected()
    let head = this.#head
    while (deliveries[head] === acknowledged) head++
    const rest = this.#notFetched()
    if (head >= count) return keptPosition(this.next, rest)
    const offset = this.#offsets[head]!
    const runs: DeliveredRun[] = []
    const dueRuns: DueRun[] = []
    let first = offset
    for (let index = head; index < count; index++) {
      const last = this.#offsets[index]!
      const end = index + 1 === count
      // Of those at the end that were never delivered there is nothing to say.
      const said = rest.runs.length > 0 || deliveries[index] !== 0
      if (end ? said : deliveries[index + 1] !== deliveries[index]) {
        runs.push({ last, deliveries: deliveries[index]! })
      }
      if (!end && due[index + 1] === due[index]) continue
      if (due[index] !== 0) dueRuns.push({ first, last, at: due[index]! })
      first = this.#offsets[index + 1] ?? last
    }
    const position = keptPosition(offset, { runs: [...runs, ...rest.runs], due: [...dueRuns, ...rest.due] })
    const borders = this.#borders + this.#dueBorders
    if (borders > 100) this.#bytesOfBorder = Math.max(bytesOfBorder, Math.ceil(position.metadata.length / borders))
    return position
  }

  /** What was kept of records that were not fetched again yet. */
  #notFetched(): KeptRuns {
    const { next } = this
    return {
      runs: this.#restored.slice(this.#restoredAt).filter(({ last }) => last >= next),
      due: this.#restoredDue
        .slice(this.#restoredDueAt)
        .flatMap(({ first, last, at }) => (last < next ? [] : { first: Math.max(first, next), last, at })),
    }
  }

  /** Deliveries and times with what commits on their way acknowledge. */
  #asExpected(): [deliveries: readonly number[], due: readonly number[]] {
    if (this.#expected.size === 0) return [this.#deliveries, this.#due]
    const [deliveries, due] = [[...this.#deliveries], [...this.#due]]
    for (const slot of this.#expected) {
      if (slot - this.#base < this.#head) continue
      deliveries[slot - this.#base] = acknowledged
      due[slot - this.#base] = 0
    }
    return [deliveries, due]
  }

  #isDone(index: number): boolean {
    return index < this.#head || this.#deliveries[index] === acknowledged
  }

  #set(index: number, deliveries: number, due: number): void {
    this.changes++
    const last = this.#offsets.length - 1
    const [before, dueBefore] = [this.#deliveries[index]!, this.#due[index]!]
    if (before !== deliveries) {
      if (index > this.#head) this.#borders += moved(this.#deliveries[index - 1]!, before, deliveries)
      if (index < last) this.#borders += moved(this.#deliveries[index + 1]!, before, deliveries)
      this.#deliveries[index] = deliveries
    }
    if (dueBefore !== due) {
      if (index > this.#head) this.#dueBorders += moved(this.#due[index - 1]!, dueBefore, due)
      if (index < last) this.#dueBorders += moved(this.#due[index + 1]!, dueBefore, due)
      this.#due[index] = due
    }
  }

  #advance(): void {
    while (this.#deliveries[this.#head] === acknowledged) {
      const head = this.#head++
      if (this.#head === this.#offsets.length) break
      if (this.#deliveries[this.#head] !== acknowledged) this.#borders--
      if (this.#due[this.#head] !== this.#due[head]) this.#dueBorders--
    }
    // Seldom, so that the copying is paid by the records that are dropped.
    if (this.#head < 1024 || this.#head * 2 < this.#offsets.length) return
    this.#offsets = this.#offsets.slice(this.#head)
    this.#deliveries = this.#deliveries.slice(this.#head)
    this.#due = this.#due.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  #restoredDeliveries(offset: number): number {
    while ((this.#restored[this.#restoredAt]?.last ?? offset) < offset) this.#restoredAt++
    const run = this.#restored[this.#restoredAt]
    if (run === undefined) this.#restored = []
    return run?.deliveries ?? 0
  }

  #restoredDueTime(offset: number): number {
    while ((this.#restoredDue[this.#restoredDueAt]?.last ?? offset) < offset) this.#restoredDueAt++
    const run = this.#restoredDue[this.#restoredDueAt]
    if (run === undefined) this.#restoredDue = []
    return run !== undefined && run.first <= offset ? run.at : 0
  }
}

/** What a change of a value makes of the border with a neighbour: -1 it is gone, 1 it is new. */
const moved = (neighbour: number, before: number, after: number): number =>
  Number(neighbour !== after) - Number(neighbour !== before)
