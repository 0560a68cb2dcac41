import { type Anomaly, type History, keyName, lasts } from '../history.ts'

/** Transactions of which a part is there. */
export function* tornTransactions({ operations, final }: History): Generator<Anomaly> {
  const stored = new Set<string>()
  for (const records of final.records.values()) for (const { value } of records) stored.add(value)
  // A copy that was refused is made again by another member, who may have read another page: such a value proves nothing.
  const attempts = new Map<string, number>()
  for (const { sent, keysWritten } of operations) {
    for (const { value } of [...sent, ...keysWritten]) attempts.set(value, (attempts.get(value) ?? 0) + 1)
  }
  const histories = new Map([...final.histories].map(([key, values]) => [key, new Set(values)]))
  for (const { sent, keysWritten, process, start } of operations) {
    const parts = [
      ...sent.filter(lasts).map(({ value }) => ({ value, there: stored.has(value) })),
      ...keysWritten.map(({ topic, key, value }) => ({
        value,
        there: histories.get(keyName(topic, key))?.has(value) ?? false,
      })),
    ]
    const missing = parts.find(part => !part.there)
    const present = parts.find(part => part.there && attempts.get(part.value) === 1)
    if (missing !== undefined && present !== undefined) {
      yield {
        name: 'torn-transaction',
        example: `of operation ${start} of ${process}, ${present.value} is there and ${missing.value} is not`,
      }
    }
  }
}
