import { get, request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { Airports } from '../src/airports.ts'
import { LiveBoard } from '../src/live-board.ts'
import { project } from '../src/map.ts'
import { servePage } from '../src/page-server.ts'

describe('the server of the page', () => {
  const row = { iata: 'DTW', name: 'Detroit', city: 'Detroit', state: 'MI', late: 1, totalDelay: 20, worstDelay: 20 }

  async function serve() {
    const board = new LiveBoard(await Airports.read(), project, { speed: 6, total: 10 })
    const files = new Map([['/', { type: 'text/html', content: new TextEncoder().encode('the page') }]])
    return { board, server: await servePage({ port: 0, files, board }) }
  }

  it('answers to the names of this machine only, and lets the page load nothing from elsewhere', async () => {
    const { server } = await serve()
    const status = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        get(server.url, { headers: { host } }, response => resolve(response.resume().statusCode)).on('error', reject)
      })
    const { port } = new URL(server.url)
    expect(await status(`127.0.0.1:${port}`)).toBe(200)
    expect(await status(`localhost:${port}`)).toBe(200)
    expect(await status(`attacker.example:${port}`)).toBe(403)
    const { headers } = await fetch(server.url)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect((await fetch(new URL('/../package.json', server.url))).status).toBe(404)
    await server.close()
  })

  it('tells a page that does not read later what changed meanwhile, and queues nothing', async () => {
    const { board, server } = await serve()
    const since = board.since.bind(board)
    let told = 0
    board.since = version => {
      told++
      // Everything changes all the time, some megabytes of it: the buffers on the way are full after a few messages.
      for (let i = 0; i < 3_000; i++) board.airport({ ...row, iata: `${i} ${'x'.repeat(1_000)}`, departures: 1 })
      return since(version)
    }
    const url = new URL('/live', server.url)
    const stalled = request(url).end()
    await new Promise(resolve => stalled.on('response', response => resolve(response.pause())))
    // Meanwhile another page reads, and is told twelve times.
    let read = 0
    for await (const chunk of (await fetch(url)).body!) {
      read += Buffer.from(chunk).toString().split('event: ').length - 1
      if (read >= 12) break
    }
    expect(told - read).toBeLessThanOrEqual(6)
    stalled.destroy()
    await server.close()
  })
})
