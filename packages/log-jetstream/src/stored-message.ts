import type { MsgHdrs } from '@nats-io/nats-core'

/** A message of the stream. */
export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  /** When the stream took it, in milliseconds since the epoch. */
  readonly time: number
  readonly data: Uint8Array
  /** Its Nats-Msg-Id, if it was published with one. */
  readonly id: string | undefined
}

export const messageId = (headers: MsgHdrs | undefined): string | undefined => headers?.get('Nats-Msg-Id') || undefined
