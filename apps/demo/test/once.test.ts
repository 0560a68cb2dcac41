import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DemoProcess, realFlights, runOnce, temporaryFolder } from './demo-process.ts'
import { plainLoop } from './plain-loop.ts'

describe('--once', { timeout: 300_000 }, () => {
  it('finds on all 20,000 flights what a plain loop over the file finds, and the same when started again', async () => {
    const folder = await temporaryFolder()
    const expected = plainLoop(await realFlights())
    expect(await runOnce(folder)).toEqual(expected)
    expect(await runOnce(folder)).toEqual(expected)
  })

  it('ends with the same summary however often and whenever it was killed', async () => {
    const folder = await temporaryFolder()
    const flights = await realFlights(3_000)
    const file = join(folder, 'flights.json')
    await writeFile(file, JSON.stringify(flights))
    for (let kill = 0; kill < 12; kill++) {
      const demo = new DemoProcess('--once', '--data-dir', join(folder, 'data'), '--flights', file)
      // At any moment: while it starts, publishes, handles or closes windows; or not at all, when it was quicker.
      const timer = setTimeout(() => demo.child.kill('SIGKILL'), 150 + Math.random() * 900)
      await demo.ended
      clearTimeout(timer)
    }
    expect(await runOnce(folder, '--flights', file)).toEqual(plainLoop(flights))
  })

  it('reads flights in any order of the file', async () => {
    const folder = await temporaryFolder()
    const flights = (await realFlights(500)).reverse()
    const file = join(folder, 'flights.json')
    await writeFile(file, JSON.stringify(flights))
    expect(await runOnce(folder, '--flights', file)).toEqual(plainLoop(flights))
  })

  it('puts what is no flight aside with the reason, and goes on', async () => {
    const folder = await temporaryFolder()
    const flights = await realFlights(200)
    const bad = [
      { date: '2001/01/01 10:00', delay: 5, distance: 10, destination: 'LAX' },
      { date: 'yesterday', delay: 5, distance: 10, origin: 'LAX', destination: 'JFK' },
      { date: '2001/01/01 10:00', delay: 'five', distance: 10, origin: 'LAX', destination: 'JFK' },
      null,
      'x'.repeat(2_000_000),
      JSON.parse('{"__proto__":{"origin":"LAX"},"date":"2001/01/01 10:00"}'),
    ]
    const mixed = [...bad.slice(0, 3), ...flights, ...bad.slice(3)]
    const file = join(folder, 'flights.json')
    await writeFile(file, JSON.stringify(mixed))
    expect(await runOnce(folder, '--flights', file)).toEqual({ ...plainLoop(flights), rejected: bad.length })
  })

  it('has a summary of nothing for an empty file', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'flights.json')
    await writeFile(file, '[]')
    expect(await runOnce(folder, '--flights', file)).toEqual(plainLoop([]))
  })
})

describe('what cannot be done', { timeout: 60_000 }, () => {
  it.each([
    ['an unknown option', ['--ones'], '--ones', 2],
    ['a file that is not there', ['--once', '--flights', 'nowhere.json'], 'nowhere.json', 1],
    ['a file that is not JSON', ['--once', '--flights', 'package.json5'], 'is not JSON', 1],
    ['a file that is no array', ['--once', '--flights', 'object.json'], 'no array', 1],
    ['a summary that cannot be written', ['--once', '--json', 'no/such/folder/out.json'], '--json', 1],
  ])('%s is said on one line, and nothing is changed', async (_, args, named, expected) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'package.json5'), '{ not: json')
    await writeFile(join(folder, 'object.json'), '{}')
    const placed = args.map(arg => (/\.json5?$/.test(arg) ? join(folder, arg) : arg))
    const before = await readdir(folder)
    const demo = new DemoProcess(...placed, '--data-dir', join(folder, 'data'))
    expect((await demo.ended).code).toBe(expected)
    expect(demo.stderr.trim().split('\n')).toHaveLength(1)
    expect(demo.stderr).toContain(named)
    expect(await readdir(folder)).toEqual(before)
  })

  it('a folder of other flights, or of something else, is left as it is', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'flights.json')
    await writeFile(file, JSON.stringify(await realFlights(10)))
    await runOnce(folder, '--flights', file)
    await writeFile(file, JSON.stringify(await realFlights(11)))
    const other = new DemoProcess('--once', '--data-dir', join(folder, 'data'), '--flights', file)
    expect((await other.ended).code).toBe(1)
    expect(other.stderr).toContain('was made from the flights of')
    const reset = await runOnce(folder, '--flights', file, '--reset')
    expect(reset).toEqual(plainLoop(await realFlights(11)))
    // Our own folder holds no database: nothing of it is deleted.
    const foreign = new DemoProcess('--once', '--data-dir', folder, '--flights', file, '--reset')
    expect((await foreign.ended).code).toBe(1)
    expect(await readdir(folder)).toContain('flights.json')
  })
})
