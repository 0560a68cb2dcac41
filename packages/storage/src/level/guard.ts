import { createHash } from 'node:crypto'
import { realpath, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Holds a folder for one owner, among all threads and processes of this machine.
 *
 * LevelDB's own lock is not enough: a second open in the same process fails, but lets the operating system's lock go, and
 * then another process gets in. So this comes first, and LevelDB never sees a second open. The name is made of device and
 * inode: two spellings of one folder are one folder. Between containers, which may not see each other's sockets,
 * LevelDB's lock still holds.
 *
 * @returns how to let go, or undefined when another owner has it.
 */
export async function holdFolder(
  folder: string,
  platform: NodeJS.Platform = process.platform,
): Promise<(() => Promise<void>) | undefined> {
  const path = await socketPath(folder, platform)
  const isFile = platform !== 'linux' && platform !== 'win32'
  for (let attempt = 0; ; attempt++) {
    const server = await listen(path)
    if (server !== undefined) return () => new Promise(resolve => server.close(() => resolve()))
    // A socket file outlives its process; one that nobody answers is stale.
    if (!isFile || attempt > 0 || (await answers(path))) return undefined
    await unlink(path).catch(() => undefined)
  }
}

async function socketPath(folder: string, platform: NodeJS.Platform): Promise<string> {
  if (platform === 'win32') {
    const name = createHash('sha256')
      .update((await realpath(folder)).toLowerCase())
      .digest('hex')
    return `\\\\.\\pipe\\aegis-${name}`
  }
  const { dev, ino } = await stat(folder, { bigint: true })
  // An abstract socket goes with its process, however that ends.
  return platform === 'linux' ? `\0aegis-${dev}-${ino}` : join(tmpdir(), `aegis-${dev}-${ino}.sock`)
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined)
      else reject(error)
    })
    // Exclusive: the workers of a cluster would share the socket otherwise.
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
