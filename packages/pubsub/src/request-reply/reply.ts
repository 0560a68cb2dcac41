import { encodePayload, type Header, type LogRecord, type OutgoingRecord, type Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { header, headerOf, reserved } from '../reserved-headers.ts'

/** Where replies to all requests go; each requester takes those that are for it. */
export const replyTopic = '$replies'
export const replyRetention = '1h'

/** Whom a reply is for, and to which of its requests. */
export interface ReplyAddress {
  readonly requester: string
  readonly request: string
}

export const addressHeaders = ({ requester, request }: ReplyAddress): Header[] => [
  header(reserved.replyTo, requester),
  header(reserved.correlationId, request),
]

/** `undefined` when nobody waits for a reply. */
export function addressOf(record: LogRecord): ReplyAddress | undefined {
  if (record.headers.length === 0) return undefined
  const requester = headerOf(record, reserved.replyTo)
  const request = headerOf(record, reserved.correlationId)
  return requester === undefined || request === undefined ? undefined : { requester, request }
}

/** @throws AegisError `PAYLOAD_INVALID` */
export const encodeReply = (address: ReplyAddress, payload: unknown): OutgoingRecord => ({
  key: null,
  value: payload === undefined ? null : encodePayload(replyTopic, 'json', payload),
  headers: addressHeaders(address),
})

const longestMessage = 1000

/** An error travels by name, code and message; its stack stays where it is. */
export function encodeFailure(address: ReplyAddress, error: unknown): OutgoingRecord {
  const name = error instanceof Error ? error.name : 'Error'
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const failure = { name, message: message.slice(0, longestMessage).toWellFormed(), code }
  const headers = [...addressHeaders(address), header(reserved.failure, 'true')]
  return { key: null, value: JSON.stringify(failure), headers }
}

/** @throws AegisError `REQUEST_FAILED` when the responder has failed */
export function decodeReply(topic: string, record: LogRecord): Untyped {
  const text = record.value === null ? undefined : Buffer.from(record.value).toString()
  const value = text === undefined ? undefined : JSON.parse(text)
  if (headerOf(record, reserved.failure) === undefined) return value
  const { name, message, code } = value
  throw new AegisError('REQUEST_FAILED', `the request to ${topic} has failed there with ${name}: ${message}`, {
    details: { topic, name, message, code },
  })
}
