import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import { demoError, oneLine } from './errors.ts'
import type { LiveBoard } from './live-board.ts'
import type { PageFile } from './page-files.ts'

const address = '127.0.0.1'
/** Milliseconds between two messages to a page. */
const interval = 250
/** Pages that are told the live figures at the same time. */
const mostPages = 32

export interface PageServerOptions {
  readonly port: number
  readonly files: ReadonlyMap<string, PageFile>
  readonly board: LiveBoard
}

export interface PageServer {
  readonly url: string
  close(): Promise<void>
}

/** Serves the page, to this machine only. @throws AegisError `PORT_UNUSABLE` */
export async function servePage({ port, files, board }: PageServerOptions): Promise<PageServer> {
  const closing = new AbortController()
  const app = new Hono()
  let pages = 0

  // A name of another site that was pointed at this machine does not get to read the page.
  app.use(async (context, next) => {
    const host = context.req.header('host') ?? ''
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host))
      return context.text('Open the address that the demo printed', 403)
    return next()
  })
  app.use(
    secureHeaders({
      strictTransportSecurity: false,
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    }),
  )

  app.get('/live', context => {
    if (pages >= mostPages) return context.text(`${mostPages} pages are open already: close one`, 503)
    pages++
    return streamSSE(context, async stream => {
      try {
        let version = 0
        let event = 'all'
        while (!stream.aborted && !closing.signal.aborted) {
          const changes = board.since(version)
          // Waits while the page does not read: it is told later what changed meanwhile, and nothing queues up here.
          await stream.writeSSE({ event, data: JSON.stringify(changes.message) })
          version = changes.version
          event = 'changes'
          await pause(interval, undefined, { signal: closing.signal }).catch(() => undefined)
        }
      } finally {
        pages--
      }
    })
  })
  app.get('*', context => {
    const file = files.get(context.req.path)
    if (file === undefined) return context.notFound()
    return context.body(file.content, 200, { 'content-type': file.type, 'cache-control': 'no-cache' })
  })

  const server = createServer(getRequestListener(app.fetch))
  await listen(server, port)
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `http://${address}:${actual}/`,
    close: async () => {
      closing.abort()
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${oneLine(error)})`
      reject(demoError('PORT_UNUSABLE', `--port ${port} ${reason}: give another one, or 0 for any that is free`, error))
    })
    server.listen(port, address, resolve)
  })
}
