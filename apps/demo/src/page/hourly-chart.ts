import type * as ECharts from 'echarts'
import { element } from './element.ts'
import { dayAndMinute, dayOf, decimal, hourOf } from './format.ts'
import type { LiveHour } from './protocol.ts'
import { colour, fontFamily, onTheme } from './theme.ts'

declare const echarts: typeof ECharts

const hour = 3_600_000
/** Hours shown, at most; fewer where they would be thinner than `thinnest` pixels. */
const shown = 72
const thinnest = 11
/** Pixels below which the legend does not fit on one line. */
const narrow = 420

/** Departures as bars and their average delay as a line, for the last hours. */
export class HourlyChart {
  readonly #chart = echarts.init(element('hours'))
  readonly #empty = element('no-hours')
  #hours = new Map<number, LiveHour>()

  constructor() {
    onTheme(() => this.#draw())
    new ResizeObserver(() => {
      this.#chart.resize()
      this.#draw()
    }).observe(element('hours'))
  }

  clear(): void {
    this.#hours.clear()
    this.#draw()
  }

  show(hours: readonly LiveHour[]): void {
    if (hours.length === 0) return
    for (const one of hours) this.#hours.set(one.start, one)
    const newest = Math.max(...this.#hours.keys())
    for (const start of this.#hours.keys()) if (start <= newest - shown * hour) this.#hours.delete(start)
    this.#draw()
  }

  #draw(): void {
    this.#empty.hidden = this.#hours.size > 0
    if (this.#hours.size === 0) {
      this.#chart.clear()
      return
    }
    const starts = this.#starts()
    const quiet = { color: colour('quiet'), fontFamily: fontFamily() }
    // Where it is narrow the legend takes two lines.
    const top = this.#chart.getWidth() < narrow ? 62 : 34
    const axis = { axisLabel: quiet, axisLine: { show: false } }
    this.#chart.setOption({
      animation: false,
      textStyle: { fontFamily: fontFamily() },
      legend: { right: 0, top: 0, itemGap: 18, itemHeight: 9, itemWidth: 16, textStyle: quiet },
      grid: { left: 2, right: 2, top, bottom: 4, containLabel: true },
      tooltip: {
        trigger: 'axis',
        renderMode: 'richText',
        confine: true,
        backgroundColor: colour('panel'),
        borderColor: colour('line'),
        textStyle: { color: colour('text'), fontSize: 13, fontFamily: fontFamily() },
        formatter: (points: readonly { dataIndex: number }[]) => this.#describe(starts[points[0]?.dataIndex ?? 0] ?? 0),
      },
      xAxis: {
        type: 'category',
        data: starts.map(start => (new Date(start).getUTCHours() === 0 ? dayOf(start) : hourOf(start))),
        axisLabel: {
          ...quiet,
          interval: (index: number) => new Date(starts[index] ?? 0).getUTCHours() % 6 === 0,
          hideOverlap: true,
        },
        axisLine: { lineStyle: { color: colour('line') } },
        axisTick: { show: false },
      },
      yAxis: [
        {
          ...axis,
          type: 'value',
          minInterval: 1,
          splitLine: { lineStyle: { color: colour('line') } },
        },
        { ...axis, type: 'value', splitLine: { show: false }, alignTicks: true },
      ],
      series: [
        {
          name: 'Departures (left)',
          type: 'bar',
          data: starts.map(start => this.#hours.get(start)?.count ?? 0),
          itemStyle: { color: colour('bar'), borderRadius: [2, 2, 0, 0] },
          barCategoryGap: '25%',
          barMaxWidth: 30,
        },
        {
          name: 'Average delay, minutes (right)',
          type: 'line',
          yAxisIndex: 1,
          data: starts.map(start => average(this.#hours.get(start))),
          symbolSize: 4,
          connectNulls: false,
          lineStyle: { width: 2 },
          itemStyle: { color: colour('curve') },
        },
      ],
    })
  }

  /** Every hour from the first to the last, also those without a flight. */
  #starts(): number[] {
    const known = [...this.#hours.keys()]
    const last = Math.max(...known)
    const room = Math.max(12, Math.floor(this.#chart.getWidth() / thinnest))
    const first = Math.max(Math.min(...known), last - (Math.min(shown, room) - 1) * hour)
    return Array.from({ length: (last - first) / hour + 1 }, (_, index) => first + index * hour)
  }

  #describe(start: number): string {
    const one = this.#hours.get(start)
    if (one === undefined) return `${dayAndMinute(start)}\nno departures`
    return `${dayAndMinute(start)}\n${one.count} departures\naverage delay ${decimal(one.totalDelay / one.count)} min, worst ${one.maxDelay} min`
  }
}

function average(one: LiveHour | undefined): number | null {
  return one === undefined ? null : Math.round((10 * one.totalDelay) / one.count) / 10
}
