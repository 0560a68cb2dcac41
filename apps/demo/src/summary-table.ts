import type { Summary } from './summary.ts'

const shown = 10

/** The summary for people: the totals, and the busiest airports. */
export function summaryTable(summary: Summary): string {
  const { flights, rejected, alerts, events, changes, airports, windows } = summary
  const busiest = Object.entries(airports)
    .sort(([one, a], [other, b]) => b.departures - a.departures || (one < other ? -1 : 1))
    .slice(0, shown)
  const all = Object.keys(airports).length
  return [
    ...table([
      ['stored', 'records'],
      ['topic flights', count(flights)],
      ['topic flights.dead (rejected)', count(rejected)],
      ['topic alerts', count(alerts)],
      ['event streams airport-*', count(events)],
      [
        'changes of table airports',
        `${count(changes.insert)} insert, ${count(changes.update)} update, ${count(changes.delete)} delete`,
      ],
      ['topic hourly-delays', count(windows.length)],
    ]),
    '',
    ...table([
      [
        all > shown ? `airport (busiest ${shown} of ${count(all)})` : 'airport',
        'departures',
        'late',
        'average delay',
        'worst delay',
      ],
      ...busiest.map(([iata, { departures, late, totalDelay, worstDelay }]) => [
        iata,
        count(departures),
        `${((100 * late) / departures).toFixed(0)} %`,
        `${(totalDelay / departures).toFixed(1)} min`,
        `${count(worstDelay)} min`,
      ]),
    ]),
  ].join('\n')
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}

/** The first column to the left, the others to the right, a line below the head. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const lines = rows.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
  return [lines[0]!, widths.map(width => '─'.repeat(width)).join('  '), ...lines.slice(1)]
}
