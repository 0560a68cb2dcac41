import type * as ECharts from 'echarts'
import { delayColour } from './delay-scale.ts'
import { element } from './element.ts'
import { count, decimal } from './format.ts'
import type { LiveAirport, LiveAlert } from './protocol.ts'
import { colour, fontFamily, onTheme } from './theme.ts'

declare const echarts: typeof ECharts

/** How many of the newest alerts are marked on the map. */
const marked = 4

type States = Exclude<Parameters<typeof ECharts.registerMap>[1], string>

/** The airports on a map: coloured by average delay, as large as their number of departures. */
export class DelayMap {
  readonly #chart: ECharts.ECharts
  readonly #airports = new Map<string, LiveAirport>()
  #alerts: LiveAlert[] = []

  constructor(states: States) {
    echarts.registerMap('states', states)
    this.#chart = echarts.init(element('map'))
    this.#drawGround()
    onTheme(() => {
      this.#drawGround()
      this.#drawAirports()
    })
    new ResizeObserver(() => {
      this.#chart.resize()
      this.#drawAirports()
    }).observe(element('map'))
  }

  clear(): void {
    this.#airports.clear()
    this.#alerts = []
  }

  show(airports: readonly LiveAirport[], alerts: readonly LiveAlert[]): void {
    for (const airport of airports) this.#airports.set(airport.iata, airport)
    this.#alerts = [...this.#alerts, ...alerts].slice(-marked)
    if (airports.length > 0 || alerts.length > 0) this.#drawAirports()
  }

  /** The city of an airport, or its code. */
  cityOf(iata: string): string {
    const { city = '', state = '' } = this.#airports.get(iata) ?? {}
    return city === '' || city === 'NA' ? iata : `${city}, ${state}`
  }

  #drawGround(): void {
    this.#chart.setOption({
      animation: false,
      textStyle: { fontFamily: fontFamily() },
      tooltip: {
        // Drawn on the canvas: the names come from a file, and the page allows no styles but its own.
        renderMode: 'richText',
        confine: true,
        backgroundColor: colour('panel'),
        borderColor: colour('line'),
        textStyle: { color: colour('text'), fontSize: 13, fontFamily: fontFamily() },
        formatter: ({ name }: { name: string }) => this.#describe(name),
      },
      geo: {
        map: 'states',
        aspectScale: 1,
        silent: true,
        top: 12,
        bottom: 4,
        left: 4,
        right: 4,
        itemStyle: { areaColor: colour('land'), borderColor: colour('coast'), borderWidth: 0.8 },
      },
    })
  }

  #drawAirports(): void {
    const scale = Math.min(1, Math.max(0.55, this.#chart.getWidth() / 900))
    const most = Math.max(1, ...[...this.#airports.values()].map(({ departures }) => departures))
    const size = ({ departures }: LiveAirport): number => scale * (6 + 20 * Math.sqrt(departures / most))
    const onMap = [...this.#airports.values()]
      .filter(({ place }) => place !== null)
      .sort((a, b) => b.departures - a.departures)
    const alarmed = this.#alerts.flatMap(({ origin }) => onMap.find(({ iata }) => iata === origin) ?? [])
    this.#chart.setOption({
      series: [
        {
          id: 'airports',
          type: 'scatter',
          coordinateSystem: 'geo',
          data: onMap.map(airport => ({
            name: airport.iata,
            value: airport.place,
            symbolSize: size(airport),
            itemStyle: { color: colour(delayColour(airport.totalDelay / airport.departures)) },
          })),
          itemStyle: { borderColor: colour('dot-edge'), borderWidth: 1, opacity: 0.95 },
        },
        {
          id: 'alerts',
          type: 'effectScatter',
          coordinateSystem: 'geo',
          silent: true,
          rippleEffect: { brushType: 'stroke', scale: 3.2, period: 2.5, number: 2 },
          data: [...new Set(alarmed)].map(airport => ({ value: airport.place, symbolSize: size(airport) })),
          itemStyle: { color: colour('delay-4'), opacity: 0.55 },
        },
      ],
    })
  }

  #describe(iata: string): string {
    const airport = this.#airports.get(iata)
    if (airport === undefined) return iata
    const { name, departures, late, totalDelay, worstDelay } = airport
    return [
      `${iata}  ${name}`,
      this.cityOf(iata),
      `${count(departures)} departures, ${count(late)} late`,
      `average delay ${decimal(totalDelay / departures)} min, worst ${count(worstDelay)} min`,
    ].join('\n')
  }
}
