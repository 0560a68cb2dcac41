import type { NatsConnection, Status } from '@nats-io/nats-core'

/** What is happening to the connection. */
export type LogStatus =
  /** Calls wait, followers stand still, until it is there again. */
  | { readonly type: 'disconnected'; readonly server: string }
  | { readonly type: 'reconnecting' }
  | { readonly type: 'reconnected'; readonly server: string }
  /** The server refuses something, such as a permission, or ends the connection with a reason. */
  | { readonly type: 'refused'; readonly error: Error }
  /** The log is closed. Nothing follows. */
  | { readonly type: 'closed' }

/** Changes from now on; ends with the log. */
export async function* statusOf(connection: NatsConnection): AsyncGenerator<LogStatus> {
  for await (const status of connection.status()) {
    const own = translated(status)
    if (own !== undefined) yield own
    if (own?.type === 'closed') return
  }
}

function translated(status: Status): LogStatus | undefined {
  switch (status.type) {
    case 'disconnect':
      return { type: 'disconnected', server: status.server }
    case 'reconnecting':
      return { type: 'reconnecting' }
    case 'reconnect':
      return { type: 'reconnected', server: status.server }
    case 'error':
      return { type: 'refused', error: status.error }
    case 'close':
      return { type: 'closed' }
    default:
      return undefined
  }
}
