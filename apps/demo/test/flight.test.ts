import { describe, expect, it } from 'vitest'
import { parseDate, parseFlight } from '../src/flight.ts'

const flight = { date: '2001/01/01 00:47', delay: 66, distance: 1750, origin: 'DTW', destination: 'LAS' }
const minute = Date.UTC(2001, 0, 1, 0, 47)

describe('a flight', () => {
  it('is read as UTC', () => {
    expect(parseFlight(flight)).toEqual({ flight, time: minute })
  })

  it('leaves behind what else the entry has', () => {
    expect(parseFlight({ ...flight, gate: 12 })).toEqual({ flight, time: minute })
  })

  it.each([
    [{ ...flight, origin: undefined }, 'origin is missing'],
    [{ ...flight, origin: '' }, 'origin is missing'],
    [{ ...flight, origin: 7 }, "origin 7 is not an airport's code"],
    [{ ...flight, origin: 'A*' }, 'origin "A*" is not an airport\'s code'],
    [{ ...flight, origin: '\ud800' }, 'origin "\\ud800" is not an airport\'s code'],
    [{ ...flight, destination: null }, 'destination is missing'],
    [{ ...flight, delay: undefined }, 'delay is missing'],
    [{ ...flight, delay: '66' }, 'delay "66" is not a number'],
    [JSON.parse('{"date":"2001/01/01 00:47","delay":1e999,"distance":1,"origin":"A","destination":"B"}'), 'delay null'],
    [{ ...flight, distance: [] }, 'distance [] is not a number'],
    [{ ...flight, date: undefined }, 'date is missing'],
    [{ ...flight, date: 'soon' }, 'date "soon" cannot be read'],
    [{ ...flight, date: 978310020000 }, 'date 978310020000 cannot be read'],
    [{ ...flight, date: 'x'.repeat(1_000) }, 'cannot be read'],
    [null, 'null is not an object'],
    ['flight', '"flight" is not an object'],
    [[flight], 'is not an object'],
  ])('is refused with the reason: %j', (entry, reason) => {
    expect(parseFlight(entry)).toEqual({ reason: expect.stringContaining(reason) })
  })
})

describe('a date', () => {
  it.each([
    ['2001/01/01 00:47', minute],
    ['2001-01-01 00:47', minute],
    ['2001-01-01T00:47:00.000Z', minute],
    ['2001-01-01T02:47:00+02:00', minute],
    ['1969/12/31 23:59', -60_000],
    ['2000/02/29 12:00', Date.UTC(2000, 1, 29, 12)],
    ['2001/02/29 12:00', undefined],
    ['2001/13/01 12:00', undefined],
    ['2001/01/01 24:00', undefined],
    ['2001/01/01', undefined],
    ['', undefined],
  ])('%s', (text, time) => {
    expect(parseDate(text)).toBe(time)
  })
})
