import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

it('every benchmark runs, and gives ratios', { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program, '--quick', '--json'])
  const { rows } = JSON.parse(stdout)
  expect(rows.length).toBeGreaterThanOrEqual(11)
  for (const { work, ratio } of rows) expect(ratio, work).toBeGreaterThan(0)
})
