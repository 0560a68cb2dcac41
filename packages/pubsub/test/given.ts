import { type Log, type OpenLogOptions, openLog } from '@aegis/log'
import { PubSub, type PubSubOptions } from '../src/index.ts'

/** A clock that stands until it is moved. */
export class Clock {
  time = Date.UTC(2030, 0, 1)
  readonly now = (): number => this.time

  pass(milliseconds: number): void {
    this.time += milliseconds
  }
}

export interface Given extends AsyncDisposable {
  readonly clock: Clock
  readonly log: Log
  readonly pubsub: PubSub
  /** Another program over the same log. */
  another(options?: PubSubOptions): PubSub
  /** The payloads that the topic has, in the order of offsets. */
  payloads(topic: string): Promise<unknown[]>
}

/** Pub/sub over a log of its own, with a clock that stands. */
export async function given(options: Omit<OpenLogOptions, 'now'> = { memory: true }): Promise<Given> {
  const clock = new Clock()
  const log = await openLog({ ...options, now: clock.now })
  const others: PubSub[] = []
  const another = (more: PubSubOptions = {}): PubSub => {
    const pubsub = new PubSub(log, more)
    others.push(pubsub)
    return pubsub
  }
  const pubsub = another()
  return {
    clock,
    log,
    pubsub,
    another,
    payloads: async topic => (await pubsub.history(topic, { limit: 10_000 })).map(({ payload }) => payload),
    async [Symbol.asyncDispose]() {
      for (const other of others) await other.close()
      await log.close()
    },
  }
}
