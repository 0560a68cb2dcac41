import { create, element, write } from './element.ts'
import { clock, count, decimal } from './format.ts'
import type { Figures, GroupLag } from './protocol.ts'

/** The totals, the clock and the groups. */
export function showFigures(figures: Figures): void {
  const { departures, late, totalDelay, published, total, rejected } = figures
  write('clock', figures.clock === null ? 'Nothing to replay' : clock(figures.clock))
  write('speed', figures.state === 'running' ? `${count(figures.speed)} h per second` : '')
  write('departures', count(departures))
  write('departures-note', `of ${count(total)}${rejected > 0 ? `, ${count(rejected)} rejected` : ''}`)
  write('late', departures === 0 ? '–' : `${decimal((100 * late) / departures)} %`)
  write('late-note', `${count(late)} flights`)
  write('average', departures === 0 ? '–' : decimal(totalDelay / departures))
  write('alerts-total', count(figures.alerts))
  write('throughput', count(figures.throughput))
  write('windows', count(figures.windows))
  element('progress').setAttribute('value', String(total === 0 ? 1 : published / total))
  showGroups(figures.groups)
}

function showGroups(groups: readonly GroupLag[]): void {
  element('groups').replaceChildren(
    ...groups.map(({ name, topic, lag }) => {
      const row = create('tr', '')
      row.append(create('td', name), create('td', topic), create('td', count(lag), 'number'))
      return row
    }),
  )
}
