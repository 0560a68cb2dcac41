import { createServer } from 'node:net'

/** Ports of 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  // All are held until all are known: the system would give the same one again.
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', resolve)
      })
      return server
    }),
  )
  return Promise.all(
    held.map(async server => {
      const address = server.address()
      await new Promise<void>(resolve => server.close(() => resolve()))
      if (address === null || typeof address === 'string') throw new Error('the socket has no port')
      return address.port
    }),
  )
}
