import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/**
 * Runs a program, given as its source, in a process of its own, kills it when it has printed so many lines, and gives all that it
 * has printed. What it imports by name is found from `folder`.
 */
export async function linesUntilKilled(
  folder: string,
  program: string,
  args: readonly string[],
  lines: number,
): Promise<string[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const printed: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    printed.push(line)
    if (printed.length === lines) child.kill('SIGKILL')
  }
  const [code, signal] = await exited
  if (signal !== 'SIGKILL') throw new Error(`the program ended by itself, with ${code}, after ${printed.length} lines`)
  return printed
}
