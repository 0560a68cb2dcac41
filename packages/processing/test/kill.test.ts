import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { expect, it, onTestFinished } from 'vitest'
import { saleAt } from './given/sales.mjs'
import { resultsOf } from './given/topics.ts'

const total = 4000
const hour = 3_600_000

function start(dataDir: string, form: string): ChildProcess {
  const program = join(import.meta.dirname, 'given/sales-program.mjs')
  return spawn(process.execPath, [program, dataDir, String(total), form], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function dataFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'aegis-processing-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

function plainLoop(): Map<string, { n: number; total: number }> {
  const windows = new Map<string, { n: number; total: number }>()
  for (let n = 0; n < total; n++) {
    const { shop, amount, time } = saleAt(n)
    const name = `${shop} ${Math.floor(time / hour) * hour}`
    const window = windows.get(name) ?? { n: 0, total: 0 }
    windows.set(name, { n: window.n + 1, total: window.total + amount })
  }
  return windows
}

it.each(['function', 'aggregators'])(
  'killed at random moments, it gives what a plain loop gives, each window once (%s)',
  { timeout: 120_000 },
  async form => {
    const dataDir = await dataFolder()
    for (let kills = 0; kills < 8; kills++) {
      const child = start(dataDir, form)
      // Listened to from the beginning: it may have ended by itself when it is heard of.
      const exited = once(child, 'exit')
      await Promise.race([once(child.stdout!, 'data'), exited])
      const delay = setTimeout(() => child.kill('SIGKILL'), Math.random() * 150)
      await exited
      clearTimeout(delay)
    }
    const child = start(dataDir, form)
    expect(await once(child, 'exit')).toEqual([0, null])

    await using log = await openLog({ dataDir })
    const results = await resultsOf(log, 'hourly')
    expect(new Map(results.map(([shop, start, , payload]) => [`${shop} ${start}`, payload]))).toEqual(plainLoop())
    expect(results).toHaveLength(plainLoop().size)
  },
)
