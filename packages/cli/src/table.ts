/** A cell; numbers stand to the right. */
export type Cell = string | number | null

/** Lines of a table whose columns are as wide as their widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const all = [headings, ...rows.map(row => row.map(shown))]
  const widths = headings.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  const right = headings.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] !== 'string'))
  return all.map(row =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}

function shown(cell: Cell): string {
  return cell === null ? '-' : typeof cell === 'number' ? cell.toLocaleString('en-US') : cell
}

/** Bytes with a unit that people read. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let value = bytes
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** A duration in the largest unit that divides it, as `createTopic` takes it. */
export function duration(milliseconds: number): string {
  for (const [unit, length] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (milliseconds >= length && milliseconds % length === 0) return `${milliseconds / length}${unit}`
  }
  return `${milliseconds}ms`
}
