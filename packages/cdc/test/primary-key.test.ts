import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeKey } from '../src/primary-key.ts'

const number = fc.double({ noNaN: true, noDefaultInfinity: true })

it('number keys are in byte order, with one zero', () => {
  fc.assert(fc.property(number, number, (a, b) => Buffer.compare(encodeKey(a), encodeKey(b)) === Math.sign(a - b) + 0))
  expect(encodeKey(-0)).toEqual(encodeKey(0))
})

it('numbers come before strings, and no two keys are one', () => {
  fc.assert(fc.property(number, fc.string(), (n, s) => Buffer.compare(encodeKey(n), encodeKey(s)) < 0))
  expect(encodeKey(1)).not.toEqual(encodeKey('1'))
})
