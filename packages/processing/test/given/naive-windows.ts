import type { LogRecord } from '@aegis/log'

type Item = { readonly time: number; readonly customer: string | null }
type Result = [key: string | null, start: number, end: number, payload: unknown]

/** What the processor should come to: a loop over the records that recomputes everything each time. */
export function naiveWindows<T extends Item>(
  records: readonly LogRecord[],
  partitions: number,
  size: number,
  outOfOrderness: number,
  aggregate: (items: readonly T[]) => unknown,
): { results: Result[]; late: number; records: number } {
  const open: { key: string | null; start: number; items: T[] }[] = []
  const results: Result[] = []
  const newest: number[] = Array.from({ length: partitions }, () => Number.NEGATIVE_INFINITY)
  let late = 0
  let watermark = Number.NEGATIVE_INFINITY
  const close = () => {
    const ended = open.filter(({ start }) => start + size <= watermark)
    ended.sort((a, b) => a.start - b.start || order(a.key, b.key))
    for (const window of ended) {
      open.splice(open.indexOf(window), 1)
      results.push([window.key, window.start, window.start + size, aggregate(window.items)])
    }
  }
  for (const { partition, value } of records) {
    const item: T = JSON.parse(Buffer.from(value!).toString())
    const start = Math.floor(item.time / size) * size
    if (start + size <= watermark) late++
    else {
      const window = open.find(({ key, start: at }) => key === item.customer && at === start)
      if (window === undefined) open.push({ key: item.customer, start, items: [item] })
      else window.items.push(item)
    }
    newest[partition] = Math.max(newest[partition]!, item.time)
    watermark = Math.max(watermark, Math.min(...newest) - outOfOrderness)
    close()
  }
  watermark = Number.POSITIVE_INFINITY
  close()
  return { results, late, records: records.length }
}

const order = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1
