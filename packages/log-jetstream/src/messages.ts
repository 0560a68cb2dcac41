import type { MsgRequest, StoredMsg } from '@nats-io/jetstream'
import type { Domain } from './domain.ts'
import { isPassing, readStatusOf } from './patience.ts'
import { messageId, type StoredMessage } from './stored-message.ts'

const pageMessages = 256
const pageBytes = 2_000_000
/** A page that does not go on for so long, in milliseconds, has lost its connection. */
const longestSilence = 3_000

const stored = ({ subject, seq, time, data, header }: StoredMsg): StoredMessage => ({
  subject,
  sequence: seq,
  time: time.getTime(),
  data,
  id: messageId(header),
})

/**
 * The newest message on a subject, or on any that fits a wildcard, as the stream's leader has it. `atLeast`: a sequence that is
 * known to be there, so that a server which has not noticed yet that it leads no more is asked again, and not believed.
 */
export async function lastMessage(domain: Domain, subject: string, atLeast = 0): Promise<StoredMessage | undefined> {
  const found = await domain.patience.request(`reading the last message on ${subject}`, async () => {
    const newest = await domain.manager.streams.getMessage(domain.stream, { last_by_subj: subject })
    if ((newest?.seq ?? 0) < atLeast) throw new Outdated()
    return newest
  })
  return found === null ? undefined : stored(found)
}

/** The first message on a subject from a sequence on, as the stream's leader has it. */
export async function nextMessage(
  domain: Domain,
  subject: string,
  sequence: number,
): Promise<StoredMessage | undefined> {
  // The servers have known it since 2.9; the client's types know it for direct reads only.
  const query: MsgRequest & { next_by_subj: string } = { seq: sequence, next_by_subj: subject }
  const found = await domain.patience.request(`reading the next message on ${subject}`, () =>
    domain.manager.streams.getMessage(domain.stream, query),
  )
  return found === null ? undefined : stored(found)
}

/**
 * The messages on a subject from a sequence on, until there are none. Everything that was acknowledged before the call is
 * there: when a server that only follows the leader has no more, the leader is asked whether that is so. `until`: a sequence on the
 * subject that is known to be there, so that one which has not noticed yet that it leads no more is not believed.
 */
export async function* messagesFrom(
  domain: Domain,
  subject: string,
  from: number,
  until = 0,
): AsyncGenerator<StoredMessage> {
  for (let next = from; ; ) {
    const page = domain.features.directBatches
      ? await directPage(domain, subject, next)
      : { messages: await leaderPage(domain, subject, next), more: true }
    yield* page.messages
    const last = page.messages.at(-1)
    if (last !== undefined) next = last.sequence + 1
    if (last !== undefined && page.more) continue
    if (domain.replicas === 1 || !domain.features.directBatches) return
    const newest = await lastMessage(domain, subject)
    if (newest === undefined) return
    if (newest.sequence >= next) continue
    if (next > until) return
    await lastMessage(domain, subject, until)
  }
}

async function leaderPage(domain: Domain, subject: string, from: number): Promise<StoredMessage[]> {
  const message = await nextMessage(domain, subject, from)
  return message === undefined ? [] : [message]
}

interface Page {
  readonly messages: StoredMessage[]
  readonly more: boolean
}

const directPage = (domain: Domain, subject: string, from: number): Promise<Page> =>
  domain.patience.request(`reading ${subject}`, async () => {
    const messages: StoredMessage[] = []
    let more = false
    const request = { seq: Math.max(1, from), next_by_subj: subject, batch: pageMessages, max_bytes: pageBytes }
    const found = await domain.manager.direct.getBatch(domain.stream, request)
    const silence = setTimeout(() => found.stop(new Stalled()), longestSilence)
    try {
      for await (const message of found) {
        silence.refresh()
        // Each says which one was sent before it: what a connection that was cut has lost is not passed over.
        if (message.lastSequence !== (messages.at(-1)?.sequence ?? 0)) throw new Stalled()
        messages.push(stored(message))
        more = message.pending > 0
      }
    } catch (error) {
      // What has come is whole and in order; the rest is asked for again.
      if (messages.length === 0 && isNotFound(error)) return { messages, more: false }
      if (messages.length === 0 || !(isPassing(error) || error instanceof Stalled)) throw error
      more = true
    } finally {
      clearTimeout(silence)
    }
    return { messages, more }
  })

/** A direct read of nothing ends with a status, not with nothing. */
const isNotFound = (error: unknown): boolean => readStatusOf(error) === 404

class Outdated extends Error {
  override readonly name = 'ConnectionError'
}

class Stalled extends Error {
  override readonly name = 'ConnectionError'
}
