import { setTimeout } from 'node:timers/promises'
import type { Domain } from './domain.ts'
import { Feed, type FeedStart } from './feed.ts'
import { lastMessage } from './messages.ts'
import type { Pulled } from './pulled.ts'

/** Milliseconds without a message after which the leader is asked again what there is. */
const patience = 1_000

/** What a feed brings up to the newest message as of the call; while there is writing, perhaps more. */
export async function* upToNow(domain: Domain, filter: string, start: FeedStart): AsyncGenerator<Pulled> {
  let newest = await lastMessage(domain, filter)
  let seen = typeof start === 'object' ? start.sequence - 1 : 0
  if (newest === undefined || newest.sequence <= seen) return
  let wake: () => void = () => undefined
  const feed = new Feed(domain, filter, start, () => wake())
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

/**
 * The last message of each subject that fits a wildcard, as of the call or newer; a subject may come more than once while
 * it is written to, the newest last.
 */
export const lastOfEach = (domain: Domain, filter: string): AsyncGenerator<Pulled> =>
  upToNow(domain, filter, 'last-of-each-subject')
