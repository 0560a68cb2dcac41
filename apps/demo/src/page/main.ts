import { AlertList } from './alert-list.ts'
import { DelayMap } from './delay-map.ts'
import { showLegend } from './delay-scale.ts'
import { showFigures } from './figures.ts'
import { HourlyChart } from './hourly-chart.ts'
import type { LiveMessage } from './protocol.ts'
import { showConnection } from './status.ts'

const response = await fetch('/map.json')
const map = new DelayMap(await response.json())
const hours = new HourlyChart()
const alerts = new AlertList()
showLegend()

const source = new EventSource('/live')
// The first message of a connection is everything: the server may be another one than before.
source.addEventListener('all', event => {
  map.clear()
  hours.clear()
  alerts.clear()
  show(event)
})
source.addEventListener('changes', show)
source.addEventListener('error', () => showConnection('lost'))

function show({ data }: MessageEvent<string>): void {
  const message: LiveMessage = JSON.parse(data)
  showConnection(message.figures.state === 'ended' ? 'ended' : 'live')
  showFigures(message.figures)
  map.show(message.airports, message.alerts)
  alerts.show(message.alerts, map)
  hours.show(message.hours)
}
