import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** A nats-server that is installed. */
export interface Program {
  readonly path: string
  /** Such as `'2.12.0'`. */
  readonly version: string
}

const run = promisify(execFile)

/** All servers that can be found: `NATS_SERVER` (a list of paths), the cache folder, Go's folder, the search path. Newest first. */
export async function findPrograms(): Promise<Program[]> {
  const folders = [
    join(homedir(), '.cache', 'aegis', 'bin'),
    join(homedir(), '.cache', 'aegis', 'debian', 'usr', 'sbin'),
    process.env['GOBIN'] ?? join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'bin'),
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
  ]
  const named = (process.env['NATS_SERVER'] ?? '').split(delimiter).filter(path => path !== '')
  const candidates = [...new Set([...named, ...folders.map(folder => join(folder, 'nats-server'))])]
  const found = await Promise.all(candidates.map(probe))
  const programs = found.filter(program => program !== undefined)
  return programs.sort((a, b) => compareVersions(b.version, a.version))
}

async function probe(path: string): Promise<Program | undefined> {
  try {
    const { stdout } = await run(path, ['--version'])
    const version = /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
    return version === undefined ? undefined : { path, version }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  for (let part = 0; part < 3; part++) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
