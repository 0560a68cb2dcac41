import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { dataSet } from '../src/command-line.ts'
import type { Summary } from '../src/summary.ts'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'aegis-demo-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The first of the real flights, as the file has them. */
export async function realFlights(count = Number.POSITIVE_INFINITY): Promise<unknown[]> {
  const flights: unknown[] = JSON.parse(await readFile(dataSet('flights-20k.json'), 'utf8'))
  return flights.slice(0, count)
}

/** The demo as a process of its own. */
export class DemoProcess {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    onTestFinished(() => void this.child.kill('SIGKILL'))
    this.child.stdout?.on('data', chunk => {
      this.stdout += String(chunk)
    })
    this.child.stderr?.on('data', chunk => {
      this.stderr += String(chunk)
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  /** Resolves when the output has a match. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      const more = once(this.child.stdout!, 'data')
      const ended = this.ended.then(({ code }) => {
        throw new Error(`ended with ${code} and never said ${pattern}: ${this.stdout}${this.stderr}`)
      })
      await Promise.race([more, ended])
    }
  }
}

/** Runs to the end of the input and gives the summary that was written. */
export async function runOnce(folder: string, ...args: string[]): Promise<Summary> {
  const json = join(folder, 'summary.json')
  const demo = new DemoProcess('--once', '--data-dir', join(folder, 'data'), '--json', json, ...args)
  const { code } = await demo.ended
  if (code !== 0) throw new Error(`ended with ${code}: ${demo.stderr}`)
  return JSON.parse(await readFile(json, 'utf8'))
}
