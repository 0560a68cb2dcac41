import { setTimeout } from 'node:timers/promises'
import type { Domain } from './domain.ts'
import { Feed } from './feed.ts'
import { lastMessage } from './messages.ts'
import type { StoredMessage } from './stored-message.ts'

/** Milliseconds without a message after which the leader is asked again what there is. */
const patience = 1_000

/**
 * The last message of each subject that fits a wildcard, as of the call or newer; a subject may come more than once while
 * it is written to, the newest last.
 */
export async function* lastOfEach(domain: Domain, filter: string): AsyncGenerator<StoredMessage> {
  let newest = await lastMessage(domain, filter)
  if (newest === undefined) return
  let seen = 0
  let wake: () => void = () => undefined
  const feed = new Feed(domain, filter, 'last-of-each-subject', () => wake())
  try {
    for (;;) {
      const woken = new Promise<void>(resolve => {
        wake = resolve
      })
      for (let message = feed.take(); message !== undefined; message = feed.take()) {
        yield message
        seen = message.sequence
        // In order of sequence, so everything that was there at the call has come.
        if (seen >= newest.sequence) return
      }
      if (await Promise.race([woken.then(() => false), setTimeout(patience, true)])) {
        // The one that is waited for may have been deleted meanwhile.
        newest = await lastMessage(domain, filter)
        if (newest === undefined || newest.sequence <= seen) return
      }
    }
  } finally {
    feed.close()
  }
}
