import { expect, it } from 'vitest'
import { duration, size, table } from '../src/table.ts'

it('a table has columns as wide as their widest cell, numbers to the right, and no spaces at the end', () => {
  const lines = table(
    ['NAME', 'COUNT', 'NOTE'],
    [
      ['a', 1_234_567, 'x'],
      ['longer', null, ''],
    ],
  )
  expect(lines).toEqual(['NAME        COUNT  NOTE', 'a       1,234,567  x', 'longer          -'])
})

it('a table without rows is its headings', () => {
  expect(table(['A', 'B'], [])).toEqual(['A  B'])
})

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [1_234_567, '1.2 MB'],
  [9.9e15, '9900.0 TB'],
])('%d bytes read as %s', (bytes, text) => expect(size(bytes)).toBe(text))

it.each([
  [604_800_000, '7d'],
  [90_000, '90s'],
  [1_500, '1500ms'],
  [7_200_000, '2h'],
])('%d milliseconds read as %s', (milliseconds, text) => expect(duration(milliseconds)).toBe(text))
