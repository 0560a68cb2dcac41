import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface RedisServer extends AsyncDisposable {
  /** Of its socket, which is there a moment after it is started. */
  readonly path: string
}

/** A server that writes what it is told to a file, and syncs it as `appendfsync` says; undefined where none is installed. */
export async function startRedis(folder: string, appendfsync: 'always' | 'everysec'): Promise<RedisServer | undefined> {
  const path = join(folder, 'redis.sock')
  const options = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'yes']
  const server: ChildProcess = spawn('redis-server', [...options, '--appendfsync', appendfsync], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = new Promise<void>(resolve => server.once('exit', () => resolve()))
  const started = await Promise.race([once(server, 'spawn'), once(server, 'error').then(() => undefined)])
  if (started === undefined) return undefined
  return {
    path,
    async [Symbol.asyncDispose]() {
      server.kill()
      await exited
    },
  }
}
