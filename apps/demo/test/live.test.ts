import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DemoProcess, realFlights, runOnce, temporaryFolder } from './demo-process.ts'
import { plainLoop } from './plain-loop.ts'

it('stops cleanly on Ctrl-C, refuses a second start meanwhile, and goes on where it was', {
  timeout: 120_000,
}, async () => {
  const folder = await temporaryFolder()
  const data = join(folder, 'data')
  const flights = await realFlights(2_000)
  const file = join(folder, 'flights.json')
  await writeFile(file, JSON.stringify(flights))
  const options = ['--flights', file, '--data-dir', data, '--port', '0', '--speed', '20']
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const demo = new DemoProcess(...options)
    const [, url = ''] = await demo.said(/(http:\S+)/)
    // Figures arrive: the replay is on its way.
    const events = await fetch(new URL('/live', url))
    const reader = events.body!.getReader()
    for (let text = ''; !/"published":\s*[1-9]/.test(text); ) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`the figures ended: ${text}`)
      text += Buffer.from(value).toString()
    }
    const second = new DemoProcess(...options)
    expect((await second.ended).code).toBe(1)
    expect(second.stderr).toContain(data)
    expect(second.stderr.trim().split('\n')).toHaveLength(1)
    demo.child.kill(signal)
    expect(await demo.ended).toEqual({ code: 0, signal: null })
    expect(demo.stderr).not.toMatch(/Error/)
  }
  expect(await runOnce(folder, '--flights', file)).toEqual(plainLoop(flights))
})

it('says in one line that a port is in use, and changes nothing', { timeout: 60_000 }, async () => {
  const folder = await temporaryFolder()
  const holder = createServer()
  await new Promise<void>(resolve => holder.listen(0, '127.0.0.1', resolve))
  const address = holder.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const demo = new DemoProcess('--port', String(port), '--data-dir', join(folder, 'data'))
  expect((await demo.ended).code).toBe(1)
  expect(demo.stderr.trim()).toMatch(new RegExp(`--port ${port} is in use`))
  holder.close()
})
