/** Uses that came shortly one after the other, counted together: all of them leave the window when the last one does. */
interface Burst {
  readonly first: number
  last: number
  count: number
}

/** What has begun under one name within the last `per`, and what was put off until later. */
interface Usage {
  bursts: Burst[]
  used: number
  /** When the last of those that were put off may begin, and how many may begin then. */
  reservedAt: number
  reserved: number
}

/** So many bursts a window has at most: it lets through what it could a sixty-fourth of it before, and needs no more memory. */
const mostBursts = 64

/**
 * How much may begin: under each name `limit` within any interval of `per` milliseconds. All times are in milliseconds, and
 * given: there is no clock here. What is not in use any more is forgotten.
 */
export class RateLimiter {
  readonly #limit: number
  readonly #per: number
  /** Those used last are last. */
  readonly #usages = new Map<string, Usage>()

  constructor({ limit, per }: { readonly limit: number; readonly per: number }) {
    this.#limit = limit
    this.#per = per
  }

  /** How many names it knows something of. */
  get size(): number {
    return this.#usages.size
  }

  /** How long until one may begin that has so many others before it; 0: at once. With others before it, it is a guess. */
  wait(name: string, now: number, ahead = 0): number {
    const usage = this.#usages.get(name)
    if (usage !== undefined) this.#forgetUses(usage, now)
    const free = this.#limit - (usage?.used ?? 0)
    if (ahead < free) return 0
    const [oldest] = usage?.bursts ?? []
    const next = oldest === undefined ? this.#per : oldest.last + this.#per - now
    return next + Math.floor((ahead - free) / this.#limit) * this.#per
  }

  /** One begins. */
  use(name: string, now: number): void {
    const usage = this.#usages.get(name) ?? { bursts: [], used: 0, reservedAt: 0, reserved: 0 }
    this.#forgetUses(usage, now)
    const last = usage.bursts.at(-1)
    if (last !== undefined && now - last.first < this.#per / mostBursts) {
      last.last = now
      last.count++
    } else usage.bursts.push({ first: now, last: now, count: 1 })
    usage.used++
    this.#usages.delete(name)
    this.#usages.set(name, usage)
    this.#forgetNames(now)
  }

  /** Whether others were put off and have not had their time yet. */
  hasReserved(name: string, now: number): boolean {
    return (this.#usages.get(name)?.reservedAt ?? 0) > now
  }

  /** How long one is to be put off that comes after `ahead` others, and after all that were put off before. */
  reserve(name: string, now: number, ahead: number): number {
    let usage = this.#usages.get(name)
    if (usage === undefined) this.#usages.set(name, (usage = { bursts: [], used: 0, reservedAt: 0, reserved: 0 }))
    if (usage.reservedAt <= now) {
      usage.reservedAt = now + this.wait(name, now, ahead)
      usage.reserved = 0
    } else if (usage.reserved === this.#limit) {
      usage.reservedAt += this.#per
      usage.reserved = 0
    }
    usage.reserved++
    return usage.reservedAt - now
  }

  #forgetUses(usage: Usage, now: number): void {
    const { bursts } = usage
    // The clock was set back: what is in the future was just now.
    for (const burst of bursts) if (burst.last > now) burst.last = now
    let gone = 0
    while (gone < bursts.length && bursts[gone]!.last + this.#per <= now) usage.used -= bursts[gone++]!.count
    if (gone > 0) bursts.splice(0, gone)
  }

  #forgetNames(now: number): void {
    for (const [name, usage] of this.#usages) {
      this.#forgetUses(usage, now)
      if (usage.used > 0 || usage.reservedAt > now) return
      this.#usages.delete(name)
    }
  }
}
