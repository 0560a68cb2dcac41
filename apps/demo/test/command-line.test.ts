import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../src/command-line.ts'

describe('the command line', () => {
  it('has defaults for everything', () => {
    expect(parseCommandLine([])).toMatchObject({ once: false, reset: false, speed: 6, port: 4180 })
  })

  it.each([
    [['--flihgts', 'x.json'], '--flihgts'],
    [['flights.json'], 'flights.json'],
    [['--flights'], '--flights'],
    [['--flights', ''], '--flights'],
    [['--speed', 'fast'], '--speed fast: give a number of hours'],
    [['--speed', '0'], '--speed 0: give a number of hours'],
    [['--speed=-1'], '--speed -1: give a number of hours'],
    [['--port', '70000'], '--port 70000: give a whole number from 0 to 65535'],
    [['--port', '80.5'], '--port 80.5'],
    [['--json', 'out.json'], '--json'],
    [['--once=yes'], '--once'],
  ])('refuses %j on one line that names it', (args, named) => {
    const refused = () => parseCommandLine(args)
    expect(refused).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
    expect(refused).toThrow(named)
    expect(refused).not.toThrow(/\n/)
  })
})
