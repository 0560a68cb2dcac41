import { type Anomaly, type History, keyName, lasts, type Operation } from '../history.ts'

/**
 * What a power cut may take of a log that is not synced at every commit: the newest commits, never one from the middle.
 * So nothing is there that began after something acknowledged that is gone, within one run.
 */
export function* holes({ operations, final }: History, runOf: (process: string) => string): Generator<Anomaly> {
  const stored = new Set<string>()
  for (const records of final.records.values()) for (const { value } of records) stored.add(value)
  const versions = new Map([...final.histories].map(([key, values]) => [key, new Set(values)]))
  const there = ({ sent, keysWritten }: Operation): boolean =>
    sent.filter(lasts).every(({ value }) => stored.has(value)) &&
    keysWritten.every(({ topic, key, value }) => versions.get(keyName(topic, key))?.has(value))
  // What one run has lost, the next one may have made again, of the same jobs and records: it says nothing of the one before.
  const runs = new Map<string, Set<string>>()
  for (const { process, sent } of operations) {
    for (const { value } of sent) runs.set(value, (runs.get(value) ?? new Set()).add(runOf(process)))
  }
  const isOfOneRun = ({ sent }: Operation): boolean => sent.every(({ value }) => runs.get(value)?.size === 1)
  const newestStart = new Map<string, Operation>()
  for (const operation of operations) {
    if (operation.sent.filter(lasts).length + operation.keysWritten.length === 0 || !there(operation)) continue
    if (!isOfOneRun(operation)) continue
    const run = runOf(operation.process)
    if ((newestStart.get(run)?.start ?? -1) < operation.start) newestStart.set(run, operation)
  }
  for (const operation of operations) {
    const newest = newestStart.get(runOf(operation.process))
    if (operation.outcome !== 'ok' || newest === undefined || operation.end > newest.start || there(operation)) continue
    yield {
      name: 'lost-write',
      example: `operation ${operation.start} of ${operation.process} is gone, ${newest.start} of ${newest.process} came after it and is there`,
    }
  }
}
