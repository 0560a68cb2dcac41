import type { Msg } from '@nats-io/nats-core'
import { messageId, type StoredMessage } from './stored-message.ts'

/** A message as a consumer delivers it. */
export interface Pulled extends StoredMessage {
  /** Counts the consumer's deliveries from 1: a gap shows what was lost on the way. */
  readonly delivery: number
  /** How many are left for the consumer. */
  readonly pending: number
  /** Of its data, also where only headers were asked for. */
  readonly size: number
}

/** What stands in the reply subject: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<delivery>.<time>.<pending>`, or longer since 2.10. */
export function pulled(message: Msg): Pulled {
  const tokens = (message.reply ?? '').split('.')
  const at = tokens.length > 9 ? 6 : 4
  const { subject, data } = message
  return {
    subject,
    data,
    sequence: Number(tokens[at + 1]),
    delivery: Number(tokens[at + 2]),
    time: Math.floor(Number(tokens[at + 3]) / 1e6),
    pending: Number(tokens[at + 4]),
    id: messageId(message.headers),
    size: data.length || Number(message.headers?.get('Nats-Msg-Size')),
  }
}
