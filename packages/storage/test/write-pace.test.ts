import { expect, it } from 'vitest'
import { WritePace } from '../src/level/write-pace.ts'

const megabyte = 1e6

/** A pace whose tables and clock are what is set. */
function pace() {
  const set = { tables: 0, now: 1_000 }
  return {
    set,
    pace: new WritePace(
      () => set.tables,
      () => set.now,
    ),
  }
}

/** How long so many megabytes take when each is written as soon as it may be, and the longest wait of one. */
function written(megabytes: number, tables: number): { took: number; longest: number } {
  const { set, pace: writers } = pace()
  set.tables = tables
  const began = set.now
  let longest = 0
  for (let n = 0; n < megabytes; n++) {
    const wait = writers.delay(megabyte)
    longest = Math.max(longest, wait)
    set.now += wait
  }
  return { took: set.now - began, longest }
}

it('nobody waits while LevelDB keeps up', () => {
  for (let tables = 0; tables < 5; tables++) expect(written(100, tables).took).toBe(0)
})

it('each table more that waits to be merged slows writers down, each as much as the other, and never stops them', () => {
  let before = 0
  for (let tables = 5; tables <= 11; tables++) {
    const { took, longest } = written(101, tables)
    expect(took).toBeGreaterThan(before)
    expect(longest).toBeCloseTo(took / 100)
    before = took
  }
  expect(written(101, 12).took).toBe(before)
})

it('who writes slowly anyway does not wait', () => {
  const { set, pace: writers } = pace()
  set.tables = 8
  writers.delay(megabyte)
  set.now += 1_000
  expect(writers.delay(megabyte)).toBe(0)
})

it('what was to wait waits no longer when LevelDB has caught up', () => {
  const { set, pace: writers } = pace()
  set.tables = 10
  writers.delay(4 * megabyte)
  expect(writers.delay(megabyte)).toBeGreaterThan(0)
  set.tables = 2
  expect(writers.delay(megabyte)).toBe(0)
})

it('tables are not counted for each small commit', () => {
  let counted = 0
  const writers = new WritePace(
    () => ++counted,
    () => 0,
  )
  for (let n = 0; n < 1_000; n++) writers.delay(1_000)
  expect(counted).toBeLessThan(3)
})
