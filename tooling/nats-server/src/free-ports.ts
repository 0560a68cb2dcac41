import { createServer } from 'node:net'

/**
 * Below those that systems give to outgoing connections and to listeners that leave the choice to them: nobody is given one of
 * these between here and the start of the server, or while it is killed and started again. (fetch() refuses 10080.)
 */
const lowest = 10_100
const highest = 32_767

/** Ports of 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1))
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listens = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (listens) await new Promise<void>(resolve => server.close(() => resolve()))
  return listens
}
