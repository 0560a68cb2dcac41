import { keyText, type LogRecord } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { checkKnown } from './checked-options.ts'
import type { Message } from './message.ts'
import { headerOf } from './reserved-headers.ts'

/** Which messages a subscription is for; all that is given must hold. The others count as acknowledged. */
export interface MessageFilter<Out> {
  /** One of these keys. */
  readonly key?: string | readonly string[]
  /** Each of these headers has this value. */
  readonly headers?: Readonly<Record<string, string>>
  /** Asked last, for it takes the decoded payload. When it throws, the message cannot be read: it goes to the dead letters of a group. */
  readonly where?: (message: Message<Out>) => boolean
}

/** @throws AegisError `PUBSUB_INVALID` */
export function checkFilter<Out>(filter: MessageFilter<Out>): void {
  checkKnown('filter', filter, ['key', 'headers', 'where'])
  const { key, headers, where } = filter
  const faults = [
    !(key === undefined || typeof key === 'string' || Array.isArray(key)) && 'key is no text and no list of texts',
    !(headers === undefined || (typeof headers === 'object' && headers !== null)) && 'headers is no object',
    !(where === undefined || typeof where === 'function') && 'where is no function',
  ].filter(fault => fault !== false)
  if (faults.length > 0) throw new AegisError('PUBSUB_INVALID', `filter: ${faults.join(', ')}`)
}

/** Whether key and headers are wanted: what can be said without decoding. */
export function recordMatcherOf({ key, headers }: MessageFilter<never>): ((record: LogRecord) => boolean) | undefined {
  if (key === undefined && headers === undefined) return undefined
  const keys = key === undefined ? undefined : new Set(typeof key === 'string' ? [key] : key)
  const wanted = Object.entries(headers ?? {})
  return record => {
    if (keys !== undefined) {
      const own = keyText(record)
      if (own === null || !keys.has(own)) return false
    }
    return wanted.every(([name, value]) => headerOf(record, name) === value)
  }
}
