import type { StoredMsg } from '@nats-io/jetstream'
import { connectLog } from '../src/index.ts'
import { JetStreamLog } from '../src/jetstream-log.ts'

/** A log whose inside a test can reach. */
export async function connectInside(url: string, domain: string): Promise<JetStreamLog> {
  const log = await connectLog({ url, domain })
  if (log instanceof JetStreamLog) return log
  throw new Error('it is another log')
}

/** Changes what the first page of messages brings that the log asks for; `count` says how many it has asked for. */
export function changeFirstPage(
  log: JetStreamLog,
  change: (messages: AsyncIterable<StoredMsg>) => AsyncIterator<StoredMsg>,
): { count: number } {
  const { direct } = log.domain.manager
  const getBatch = direct.getBatch.bind(direct)
  const pages = { count: 0 }
  direct.getBatch = async (...request) => {
    const found = await getBatch(...request)
    if (pages.count++ > 0) return found
    const messages = { [Symbol.asyncIterator]: found[Symbol.asyncIterator].bind(found) }
    found[Symbol.asyncIterator] = () => change(messages)
    return found
  }
  return pages
}
