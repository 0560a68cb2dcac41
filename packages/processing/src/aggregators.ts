import { AegisError } from '@aegis/storage'

/** Aggregates numbers as they come, without keeping the items. Made by `count`, `sum`, `min`, `max` and `average`. */
export interface Aggregator<Item> {
  readonly kind: 'count' | 'sum' | 'min' | 'max' | 'average'
  /** The number that an item contributes. */
  readonly select: (item: Item) => number
}

/** How many items the window has. */
export const count = (): Aggregator<unknown> => ({ kind: 'count', select: () => 1 })

/** The sum of a number of each item, added in the order of the source. */
export const sum = <Item>(select: (item: Item) => number): Aggregator<Item> => ({ kind: 'sum', select })

/** The smallest number. */
export const min = <Item>(select: (item: Item) => number): Aggregator<Item> => ({ kind: 'min', select })

/** The largest number. */
export const max = <Item>(select: (item: Item) => number): Aggregator<Item> => ({ kind: 'max', select })

/** The arithmetic mean. */
export const average = <Item>(select: (item: Item) => number): Aggregator<Item> => ({ kind: 'average', select })

type Kind = Aggregator<never>['kind']

const initial: Readonly<Record<Kind, number>> = {
  count: 0,
  sum: 0,
  average: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
}

/** A number per aggregator, and before them the number of items. */
export const emptyTotals = (kinds: readonly Kind[]): Float64Array =>
  Float64Array.from([0, ...kinds.map(kind => initial[kind])])

/** Adds one number per aggregator. */
export function addToTotals(kinds: readonly Kind[], totals: Float64Array, numbers: readonly number[]): void {
  totals[0]!++
  for (let at = 0; at < kinds.length; at++) {
    const number = numbers[at]!
    const before = totals[at + 1]!
    const kind = kinds[at]
    if (kind === 'min') totals[at + 1] = Math.min(number, before)
    else if (kind === 'max') totals[at + 1] = Math.max(number, before)
    else totals[at + 1] = before + number
  }
}

export const resultOf = (kind: Kind, total: number, items: number): number =>
  kind === 'average' ? total / items : total

/** @throws AegisError `VALUE_INVALID` */
export function checkNumber(name: string, number: unknown): number {
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new AegisError(
    'VALUE_INVALID',
    `aggregator ${JSON.stringify(name)} was given ${typeof number === 'string' ? JSON.stringify(number) : String(number)}: give a finite number`,
  )
}
