import type { KeyedRecord, KeyHistoryOptions } from '../../log.ts'

/**
 * What a transaction reads of a key's history: what was found with the options, and behind it what the transaction has
 * appended itself, of both what is not below version `before`.
 */
export function withOwnRecords(
  found: readonly KeyedRecord[],
  own: readonly KeyedRecord[],
  before: number,
  { from, limit, reverse = false }: KeyHistoryOptions,
): KeyedRecord[] {
  const wanted = own.filter(({ version }) => from === undefined || (reverse ? version <= from : version >= from))
  const all = reverse ? [...wanted.toReversed(), ...found] : [...found, ...wanted]
  return all.filter(({ version }) => version >= before).slice(0, limit)
}
