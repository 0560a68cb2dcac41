import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { launchOrSkip, newPage } from './chromium.ts'
import { DemoProcess, realFlights, temporaryFolder } from './demo-process.ts'
import { plainLoop } from './plain-loop.ts'

it('the page says that the replay is complete, and that the connection is lost, and what to do', {
  timeout: 300_000,
}, async context => {
  const browser = await launchOrSkip(context)
  const folder = await temporaryFolder()
  const flights = await realFlights(3_000)
  const file = join(folder, 'flights.json')
  await writeFile(file, JSON.stringify(flights))
  const data = join(folder, 'data')
  const demo = new DemoProcess('--flights', file, '--data-dir', data, '--port', '0', '--speed', '100000')
  const [, url = ''] = await demo.said(/(http:\S+)/)
  const page = await newPage(browser, { width: 390, height: 844 })
  await page.goto(url)
  await page.waitForSelector('[data-connection=ended]')
  expect(await page.textContent('#notice')).toContain('--reset')
  // All that was stored is shown, the windows that the end of the input closed among it.
  const says = (id: string) => expect.poll(() => page.textContent(`#${id}`))
  const { alerts, windows } = plainLoop(flights)
  await says('departures').toBe('3,000')
  await says('alerts-total').toBe(alerts.toLocaleString('en-US'))
  await says('windows').toBe(windows.length.toLocaleString('en-US'))
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
  demo.child.kill('SIGTERM')
  expect(await demo.ended).toEqual({ code: 0, signal: null })
  await page.waitForSelector('[data-connection=lost] #notice:not([hidden])')
})
