import { type Header, type Log, type LogRecord, type OutgoingRecord, openLog } from '@aegis/log'
import { onTestFinished } from 'vitest'

/** A log in memory, closed at the end of the test. */
export async function memoryLog(): Promise<Log> {
  const log = await openLog({ memory: true })
  onTestFinished(() => log.close())
  return log
}

export type Publication = Omit<OutgoingRecord, 'value' | 'key'> & { key?: string; payload: unknown }

export const outgoing = ({ key, payload, ...rest }: Publication): OutgoingRecord => ({
  ...rest,
  key: key === undefined ? null : Buffer.from(key),
  value: Buffer.from(JSON.stringify(payload)),
})

export async function publish(log: Log, topic: string, ...publications: readonly Publication[]): Promise<void> {
  await log.append(topic, publications.map(outgoing))
}

/** All records of a topic in the order of their offsets. */
export async function recordsOf(log: Log, topic: string): Promise<LogRecord[]> {
  const { partitions } = await log.describeTopic(topic)
  const records: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition++) {
    for (let from = 0; ; ) {
      const page = await log.read(topic, partition, { from })
      if (page.records.length === 0) break
      records.push(...page.records)
      from = page.nextOffset
    }
  }
  return records.sort((a, b) => a.offset - b.offset)
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('utf8'))
const headerOf = (headers: readonly Header[], name: string): number =>
  Number(text(headers.find(({ key }) => key === name)?.value ?? null))

/** Payloads of a topic. */
export const payloadsOf = async (log: Log, topic: string): Promise<unknown[]> =>
  (await recordsOf(log, topic)).map(({ value }) => JSON.parse(text(value) ?? 'null'))

/** The results of windows: key, start, end and payload. */
export const resultsOf = async (log: Log, topic: string): Promise<[string | null, number, number, unknown][]> =>
  (await recordsOf(log, topic)).map(({ key, headers, value }) => [
    text(key),
    headerOf(headers, 'window-start'),
    headerOf(headers, 'window-end'),
    JSON.parse(text(value) ?? 'null'),
  ])
