import { get } from 'node:http'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { launchOrSkip, newPage } from './chromium.ts'
import { DemoProcess, temporaryFolder } from './demo-process.ts'

const number = async (page: Page, id: string): Promise<number> =>
  Number(((await page.locator(`#${id}`).textContent()) ?? '').replaceAll(',', '').replace(/[^\d.-]/g, ''))

it('the page shows the replay as it goes, on a laptop and on a phone, and asks nobody else', {
  timeout: 300_000,
}, async context => {
  const browser = await launchOrSkip(context)
  const folder = await temporaryFolder()
  const demo = new DemoProcess('--data-dir', join(folder, 'data'), '--port', '0', '--speed', '24')
  const [, url = ''] = await demo.said(/(http:\S+)/)
  const complaints: string[] = []
  const elsewhere: string[] = []
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    const page = await newPage(browser, { width, height })
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => {
      if (new URL(request.url()).host !== new URL(url).host) elsewhere.push(request.url())
    })
    await page.goto(url)
    // All that is live changes: flights are counted, windows are closed, an alert comes, the clock goes on.
    await expect.poll(() => number(page, 'departures')).toBeGreaterThan(0)
    const before = await number(page, 'departures')
    const clock = await page.locator('#clock').textContent()
    await expect.poll(() => number(page, 'departures')).toBeGreaterThan(before)
    await expect.poll(() => number(page, 'windows')).toBeGreaterThan(0)
    await expect.poll(() => page.locator('#alerts li').count()).toBeGreaterThan(0)
    await expect.poll(() => page.locator('#clock').textContent()).not.toBe(clock)
    expect(await page.locator('#groups').textContent()).toMatch(/operations[\s\S]*hourly-delays/)
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
    for (const chart of ['map', 'hours']) {
      const box = await page.locator(`#${chart} canvas`).first().boundingBox()
      expect(box?.width, chart).toBeGreaterThan(width / 3)
    }
    await page.close()
  }
  expect(complaints).toEqual([])
  expect(elsewhere).toEqual([])
  demo.child.kill('SIGINT')
  expect((await demo.ended).code).toBe(0)
})

it('a name of another site that points at this machine does not get to read the page', {
  timeout: 60_000,
}, async () => {
  const folder = await temporaryFolder()
  const demo = new DemoProcess('--data-dir', join(folder, 'data'), '--port', '0')
  const [, url = ''] = await demo.said(/(http:\S+)/)
  const statusFor = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      get(url, { headers: { host } }, response => {
        response.resume()
        resolve(response.statusCode)
      }).on('error', reject)
    })
  expect(await statusFor('rebound.example')).toBe(403)
  expect(await statusFor(new URL(url).host)).toBe(200)
})
