import { join } from 'node:path'
import { expect, it } from 'vitest'
import { launchOrSkip } from './chromium.ts'
import { DemoProcess, temporaryFolder } from './demo-process.ts'

it('the page says that the replay is complete, and that the connection is lost, and what to do', {
  timeout: 120_000,
}, async context => {
  const browser = await launchOrSkip(context)
  const folder = await temporaryFolder()
  const demo = new DemoProcess('--data-dir', join(folder, 'data'), '--port', '0', '--speed', '100000')
  const [, url = ''] = await demo.said(/(http:\S+)/)
  const page = await browser.newPage({ viewport: { width: 390, height: 844 } })
  await page.goto(url)
  await page.waitForSelector('[data-connection=ended]', { timeout: 60_000 })
  expect(await page.textContent('#notice')).toContain('--reset')
  // All that was stored is shown, the windows that the end of the input closed among it.
  const says = (id: string) => expect.poll(() => page.textContent(`#${id}`))
  await says('departures').toBe('20,000')
  await says('alerts-total').toBe('1,089')
  await says('windows').toBe('17,473')
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
  demo.child.kill('SIGTERM')
  expect(await demo.ended).toEqual({ code: 0, signal: null })
  await page.waitForSelector('[data-connection=lost] #notice:not([hidden])')
})
