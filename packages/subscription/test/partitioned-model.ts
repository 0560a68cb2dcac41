import { expect } from 'vitest'
import type { RateOptions, RunOptions, Subscription } from '../src/index.ts'
import type { Item } from './items.ts'

/** What is said of an item; the times are delays that were asked for. Longer than 30 s it is put aside. */
export type Act = 'ack' | 'nack' | 'nack for 5 s' | 'nack for 40 s'
const delays = { nack: 0, 'nack for 5 s': 5_000, 'nack for 40 s': 40_000 } as const

export interface Settings {
  readonly maxAttempts: number
  /** Whether deliveries count durably before they happen. */
  readonly counted: boolean
  /** What `run` keeps in order; without it members are loops. */
  readonly order: RunOptions['order'] | undefined
  /** How often handlers of one member may begin. */
  readonly rate: (RateOptions & { readonly per: number }) | undefined
}

/** What the group knows of a message, as far as the model can say. */
export interface Known {
  readonly text: string
  readonly key: string
  readonly partition: number
  readonly offset: number
  /** How often the group remembers to have delivered it: at least, at most, and at least after a crash. */
  low: number
  high: number
  sure: number
  /** It was handed over at least once. */
  begun: boolean
  state: 'open' | 'done' | 'dead'
  /** Something was said of it since the last commit: a crash may undo that. */
  uncertain: boolean
  /** It was done, and a crash has perhaps undone it. */
  perhapsDone: boolean
  /** It waits in the retry queue, or perhaps does, so that others need not wait for it. */
  aside: boolean
  notBefore: number
  /** Who has it. */
  held: Held | undefined
  /** Its partition was sought: how often it comes, and with what attempts, nothing is said of any more. */
  free: boolean
  /** It is to come at least once more, for its partition was sought to it or before it. */
  owed: boolean
}

export interface Member {
  readonly subscription: Subscription<Item>
  /** Partitions of which it wants nothing now. */
  readonly paused: Set<number>
  /** Of handlers, with the key of the message and the time. */
  readonly begun: { readonly key: string; readonly at: number }[]
}

export interface Held {
  readonly item: Item
  readonly member: Member
  /** Lets the handler return. */
  done(): void
}

/** A group whose members take messages of partitions, as it is promised. */
export class PartitionedModel {
  readonly messages = new Map<string, Known>()
  readonly #settings: Settings
  /** Their partition went to another member while they were at work: what they say is not heard. */
  readonly #late: Held[] = []

  constructor(settings: Settings) {
    this.#settings = settings
  }

  published(text: string, key: string, { partition, offset }: { partition: number; offset: number }): void {
    const counts = { low: 0, high: 0, sure: 0 }
    const flags = { begun: false, uncertain: false, perhapsDone: false, aside: false, free: false, owed: false }
    this.messages.set(text, {
      text,
      key,
      partition,
      offset,
      ...counts,
      ...flags,
      state: 'open',
      notBefore: 0,
      held: undefined,
    })
  }

  received(held: Held): void {
    const { item, member } = held
    expect([...member.paused], `${item.text} is delivered while its partition is paused`).not.toContain(item.partition)
    const known = this.messages.get(item.text)!
    known.owed = false
    if (known.free) {
      this.#checkRate(known, member)
      if (known.held !== undefined) this.#late.push(known.held)
      known.held = held
      return
    }
    expect(known.state, `${item.text} is delivered and was done`).toBe('open')
    expect(known.held, `${item.text} is delivered while somebody has it`).toBe(undefined)
    expect(known.notBefore, `${item.text} is delivered before it is due`).toBeLessThanOrEqual(Date.now())
    expect(item.attempts, `attempts of ${item.text}`).toBeGreaterThan(known.low)
    expect(item.attempts, `attempts of ${item.text}`).toBeLessThanOrEqual(known.high + 1)
    if (this.#settings.counted) expect(item.attempts).toBeLessThanOrEqual(this.#settings.maxAttempts)
    this.#checkOrder(known)
    this.#checkRate(known, member)
    known.low = known.high = item.attempts
    known.begun = true
    known.perhapsDone = false
    known.held = held
  }

  /** Everybody who has something, of a member or of all. */
  held(member?: Member): Held[] {
    return [...this.messages.values()].flatMap(({ held }) =>
      held !== undefined && (member === undefined || held.member === member) ? held : [],
    )
  }

  settle(held: Held, act: Act): void {
    const known = this.messages.get(held.item.text)!
    known.held = undefined
    if (known.free) {
      say(held, act)
      return
    }
    known.uncertain = true
    known.aside &&= act !== 'ack'
    if (act === 'ack') known.state = 'done'
    else if (held.item.attempts >= this.#settings.maxAttempts) known.state = 'dead'
    else {
      known.notBefore = Date.now() + delays[act]
      known.aside ||= act === 'nack for 40 s'
    }
    say(held, act)
  }

  /** A member has left, or some of its partitions are another's: what it had and said nothing of is for others. */
  released(member: Member, partitions?: readonly number[]): void {
    // One that comes again is not paused any more.
    for (const partition of partitions ?? []) member.paused.delete(partition)
    for (const known of this.messages.values()) {
      if (known.held?.member !== member || partitions?.includes(known.partition) === false) continue
      this.#late.push(known.held)
      known.held = undefined
    }
  }

  /** A partition is about to be read from another place: until that is so nothing is sure of it. */
  seeking(partition: number, offset: number): void {
    for (const known of this.#of(partition)) {
      known.free = true
      known.owed = known.offset >= offset
    }
  }

  /** It is: what is before that place is passed over, but for what is perhaps in the retry queue. */
  sought(partition: number, offset: number): void {
    for (const known of this.#of(partition)) {
      // What was handed over before is not acknowledged any more; what was while it was sought perhaps neither.
      if (known.held !== undefined) this.#late.push(known.held)
      known.held = undefined
      if (known.offset >= offset || known.aside) continue
      known.free = false
      known.uncertain = false
      known.perhapsDone = false
      known.state = known.state === 'dead' ? 'dead' : 'done'
    }
  }

  #of(partition: number): Known[] {
    return [...this.messages.values()].filter(known => known.partition === partition)
  }

  /** Those who are late say something, which changes nothing. */
  settleLate(act: Act): void {
    for (const held of this.#late.splice(0)) say(held, act)
  }

  /** What was said is in a commit. */
  committed(): void {
    for (const known of this.messages.values()) {
      known.uncertain = false
      known.sure = known.low
    }
  }

  /** The acknowledgements are: not more than the last moment may be missing after a crash. */
  intervalPassed(): void {
    for (const known of this.messages.values()) known.uncertain = false
  }

  crashed(): void {
    for (const known of this.messages.values()) {
      this.#late.length = 0
      known.held?.done()
      known.held = undefined
      if (known.free || (known.state !== 'open' && !known.uncertain)) continue
      if (!this.#settings.counted) known.low = Math.min(known.low, known.sure)
      // It may have been counted with its page, or when it was taken out of the retry queue.
      if (this.#settings.counted || known.aside) known.high++
      if (!known.uncertain) continue
      known.uncertain = false
      known.notBefore = 0
      known.perhapsDone ||= known.state !== 'open'
      known.state = 'open'
    }
  }

  /** Whether something is certain to be handed over again. */
  get waits(): boolean {
    const { counted, maxAttempts } = this.#settings
    return [...this.messages.values()].some(({ state, perhapsDone, high, free, owed }) =>
      free ? owed : state === 'open' && !perhapsDone && !(counted && high >= maxAttempts),
    )
  }

  /** Each dead letter is there once, and everything else was done. */
  checkEnd(dead: readonly string[]): void {
    const counted = dead.filter(text => !this.messages.get(text)!.free)
    expect(new Set(counted).size, 'dead letters that are there twice').toBe(counted.length)
    for (const { text, state, perhapsDone, low, high, free, owed } of this.messages.values()) {
      if (free) {
        expect(owed, `${text} has not come again`).toBe(false)
        continue
      }
      const exhausted = this.#settings.counted && high >= this.#settings.maxAttempts
      if (state === 'dead') expect(dead, `${text} is dead`).toContain(text)
      else if (state === 'open' && !perhapsDone) expect(dead, `${text} is lost after ${low} attempts`).toContain(text)
      else if (!exhausted && !perhapsDone) expect(dead, `${text} was acknowledged`).not.toContain(text)
    }
  }

  #checkRate({ key, text }: Known, { begun }: Member): void {
    const { rate } = this.#settings
    if (rate === undefined) return
    const at = Date.now()
    begun.push({ key, at })
    const within = begun.filter(other => other.at > at - rate.per && (rate.by === undefined || other.key === key))
    expect(within.length, `${text} is one too many`).toBeLessThanOrEqual(rate.limit)
  }

  #checkOrder(known: Known): void {
    const { order, counted, maxAttempts } = this.#settings
    for (const other of this.messages.values()) {
      if (other.partition !== known.partition || other === known || other.free) continue
      if (!known.begun && other.offset > known.offset) {
        expect(other.begun && order === undefined, `${other.text} was handed over before ${known.text}`).toBe(false)
      }
      if (order === undefined || order === 'none' || other.offset > known.offset) continue
      if (order === 'key' && other.key !== known.key) continue
      if (other.state !== 'open' || other.perhapsDone || other.aside || known.aside) continue
      // It was tried too often by those who are gone, and is not handed over any more.
      if (counted && other.high >= maxAttempts) continue
      expect.fail(`${known.text} is delivered, and ${other.text}, which was before it, is not done`)
    }
  }
}

function say({ item, done }: Held, act: Act): void {
  if (act === 'ack') item.ack()
  else item.nack({ delay: delays[act] })
  done()
}
