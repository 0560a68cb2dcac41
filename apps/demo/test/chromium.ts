import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page, type ViewportSize } from 'playwright-core'
import type { TestContext } from 'vitest'

const candidates = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Starts the browser that is installed. Without one the test is skipped with the reason; with `CI=true` it fails. Closed after the test. */
export async function launchOrSkip(context: TestContext): Promise<Browser> {
  const executablePath = [...candidates, chromium.executablePath()].find(
    path => path !== undefined && path !== '' && existsSync(path),
  )
  if (executablePath === undefined) {
    const missing = 'no Chromium is installed: set CHROMIUM_PATH'
    if (process.env['CI'] === 'true') throw new Error(missing)
    return context.skip(missing)
  }
  // Root may not use the sandbox.
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
  context.onTestFinished(() => browser.close())
  return browser
}

/** A page whose waits have nearly all the time of a test: what they wait for comes late on a busy machine. */
export async function newPage(browser: Browser, viewport: ViewportSize): Promise<Page> {
  const page = await browser.newPage({ viewport })
  page.setDefaultTimeout(240_000)
  return page
}
