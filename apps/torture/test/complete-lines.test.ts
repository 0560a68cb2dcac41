import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { completeLines } from '../src/complete-lines.ts'

it('a line in pieces is one, and one that a kill has cut off was not said, whatever it ends with', async () => {
  const chunks = ['{"a":1}\n{"b":', '{}}\n{"c":{}'].map(chunk => Buffer.from(chunk))
  const lines: string[] = []
  for await (const line of completeLines(Readable.from(chunks, { objectMode: false }))) lines.push(line)
  expect(lines).toEqual(['{"a":1}', '{"b":{}}'])
})
