import type { Row } from './measure.ts'

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(value >= 10 ? 1 : 2)

/** A table in Markdown: it reads well on a terminal, and goes into docs/benchmarks.md as it is. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['work', 'measured', 'worst run', 'against', 'measured', 'ratio', 'goal'],
    ...rows.map(({ work, measured, worst, unit, against, reference, ratio, goal }) => [
      work,
      `${number(measured)} ${unit}`,
      number(worst),
      against,
      number(reference),
      `${ratio.toFixed(2)} ×`,
      goal === undefined ? '' : `${goal} ×`,
    ]),
  ]
  const texts = new Set([0, 3])
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(line => line[column]!.length)))
  const lines = cells.map(line => {
    const padded = line.map((cell, at) => (texts.has(at) ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
    return `| ${padded.join(' | ')} |`
  })
  const rule = widths.map((width, at) => (texts.has(at) ? `:${'-'.repeat(width + 1)}` : `${'-'.repeat(width + 1)}:`))
  return [lines[0], `|${rule.join('|')}|`, ...lines.slice(1)].join('\n')
}
