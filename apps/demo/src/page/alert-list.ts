import { create, element } from './element.ts'
import { count, dayAndMinute } from './format.ts'
import type { LiveAlert } from './protocol.ts'

const kept = 50

/** What the list asks about an airport. */
interface CityNames {
  cityOf(iata: string): string
}

/** The newest alerts, newest first. */
export class AlertList {
  readonly #list = element('alerts')
  readonly #empty = element('no-alerts')

  clear(): void {
    this.#list.replaceChildren()
    this.#empty.hidden = false
  }

  show(alerts: readonly LiveAlert[], cities: CityNames): void {
    if (alerts.length === 0) return
    this.#empty.hidden = true
    this.#list.prepend(...alerts.toReversed().map(alert => entry(alert, cities)))
    while (this.#list.childElementCount > kept) this.#list.lastElementChild?.remove()
  }
}

function entry({ origin, destination, delay, time }: LiveAlert, cities: CityNames): HTMLLIElement {
  const item = create('li', '')
  item.append(
    create('b', `${origin} → ${destination}`),
    create('span', `+${count(delay)} min`, 'delay'),
    create('small', `from ${cities.cityOf(origin)}`),
    create('small', dayAndMinute(time)),
  )
  return item
}
