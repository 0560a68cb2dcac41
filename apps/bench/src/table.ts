import type { Row } from './measure.ts'

const number = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1))

/** A table in Markdown: it reads well on a terminal, and goes into docs/benchmarks.md as it is. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['work', 'a second', 'slowest run', 'against', 'a second', 'ratio'],
    ...rows.map(({ work, unit, perSecond, slowest, against, reference, ratio }) => [
      work,
      `${number(perSecond)} ${unit}`,
      number(slowest),
      against,
      number(reference),
      `${ratio.toFixed(2)} ×`,
    ]),
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(line => line[column]!.length)))
  const lines = cells.map(
    line =>
      `| ${line.map((cell, column) => (column === 0 || column === 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`,
  )
  const rule = `|${widths.map((width, column) => (column === 0 || column === 3 ? `:${'-'.repeat(width + 1)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}
