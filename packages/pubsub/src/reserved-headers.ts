import type { Header, Log, LogRecord } from '@aegis/log'

/** What this package writes into a record's headers for itself. Those of users do not start with `$`, nor do they see these. */
export const reserved = {
  messageId: '$message-id',
  /** Milliseconds since the epoch. */
  expiresAt: '$expires-at',
  priority: '$priority',
  /** Of the schema that the payload was written with. */
  version: '$schema-version',
  /** Of a request and its reply: who has asked. */
  replyTo: '$reply-to',
  /** Of a request and its reply: which of the requester's it is. */
  correlationId: '$correlation-id',
  /** The reply says what went wrong. */
  failure: '$failure',
} as const

export const isReserved = (header: string): boolean => header.charCodeAt(0) === 36

export const header = (key: string, value: string | number): Header => ({ key, value: Buffer.from(String(value)) })

/** The last of this name; `undefined` when there is none. */
export function headerOf({ headers }: LogRecord, name: string): string | undefined {
  for (let at = headers.length - 1; at >= 0; at--) {
    const { key, value } = headers[at]!
    if (key === name) return value === null ? '' : Buffer.from(value).toString()
  }
  return undefined
}

/** 0 to 9; what does not say is 0. */
export const priorityOf = (record: LogRecord): number => Number(headerOf(record, reserved.priority) ?? 0)

/** Whether nobody wants the record any more. A dead letter is kept to be looked at, so it does not expire. */
export function isExpired(record: LogRecord, log: Log): boolean {
  if (record.headers.length === 0) return false
  const expiresAt = headerOf(record, reserved.expiresAt)
  return expiresAt !== undefined && Number(expiresAt) <= log.now() && !record.topic.endsWith('.dead')
}
