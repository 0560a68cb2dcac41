import type { KeyedRecord, KeyHistoryOptions } from '../../log.ts'
import { withinBytes } from './read.ts'

/**
 * What a transaction reads of a key's history: what was found with the options, and behind it what the transaction has
 * appended itself, of both what is not below version `before`.
 */
export function withOwnRecords(
  found: readonly KeyedRecord[],
  own: readonly KeyedRecord[],
  before: number,
  { from, limit, maxBytes, reverse = false }: KeyHistoryOptions,
): KeyedRecord[] {
  const wanted = own.filter(({ version }) => from === undefined || (reverse ? version <= from : version >= from))
  const last = found.at(-1)?.version
  // What was found ended with its bytes: what the transaction has appended comes later.
  const cut = !reverse && last !== undefined && wanted[0] !== undefined && last + 1 < wanted[0].version
  const all = reverse ? [...wanted.toReversed(), ...found] : cut ? found : [...found, ...wanted]
  return withinBytes(all.filter(({ version }) => version >= before).slice(0, limit), maxBytes)
}
