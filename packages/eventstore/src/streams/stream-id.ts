import { invalid } from '../invalid.ts'

const maxBytes = 4000

/** The key of a stream in the log. @throws AegisError `EVENT_INVALID` */
export function streamKey(streamId: string): Uint8Array {
  const fits = typeof streamId === 'string' && streamId !== '' && !streamId.includes('*') && streamId.isWellFormed()
  const key = Buffer.from(fits ? streamId : '', 'utf8')
  if (key.length > 0 && key.length <= maxBytes) return key
  const shown = typeof streamId === 'string' ? JSON.stringify(streamId.slice(0, 100)) : typeof streamId
  throw invalid(`stream id ${shown}: give well-formed text of 1 to ${maxBytes} bytes that has no *`)
}

export const streamIdOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('utf8')

/** Which streams are meant: `'account-1'` that one, `'account-*'` all that start so, `'*'` all. */
export type StreamPattern = { readonly stream: string } | { readonly prefix: string }

/** @throws AegisError `EVENT_INVALID` */
export function streamPattern(text: string): StreamPattern {
  if (text === '*') return { prefix: '' }
  const prefix = typeof text === 'string' && text.endsWith('*')
  const streamId = prefix ? text.slice(0, -1) : text
  streamKey(streamId)
  return prefix ? { prefix: streamId } : { stream: streamId }
}

/** The stream that says who was forgotten, for those who keep something of subjects: only its whole name means it. */
export const forgottenStream = '$subjects-forgotten'

export const matches = (pattern: StreamPattern, streamId: string): boolean =>
  'prefix' in pattern
    ? streamId.startsWith(pattern.prefix) && streamId !== forgottenStream
    : streamId === pattern.stream
