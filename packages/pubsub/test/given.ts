import { type Log, type OpenLogOptions, openLog } from '@aegis/log'
import { it } from 'vitest'
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
  /** Another program over the same log: on a cluster by a connection of its own. */
  another(options?: PubSubOptions): PubSub
  /** The payloads that the topic has, in the order of offsets. */
  payloads(topic: string): Promise<unknown[]>
}

/** Connects twice to a new place of a cluster; set by the file that runs the tests there. */
type Connect = () => Promise<readonly [Log, Log]>
let connect: Connect | undefined

/** From now on the tests of this file are for a cluster. */
export const useCluster = (how: Connect): void => {
  connect = how
}

/** For what only the log of one process can be asked: to be opened again from its folder, or to keep time by another clock. */
export function itEmbedded(name: string, test: () => Promise<void>): void {
  if (connect === undefined) it(name, test)
  else it.skip(name, test)
}

/** How often a property is tried: on a cluster each costs a stream. */
export const runs = (count: number): { numRuns: number } => ({ numRuns: connect === undefined ? count : 5 })

/** Pub/sub over a log of its own, with a clock that stands. */
export async function given(options: Omit<OpenLogOptions, 'now'> = { memory: true }): Promise<Given> {
  const clock = new Clock()
  const logs = connect === undefined ? [await openLog({ ...options, now: clock.now })] : await connect()
  // The log of a cluster has its own clock; what is kept with the log goes by this one.
  const [log, second = log] = connect === undefined ? logs : logs.map(each => withClock(each, clock))
  const all: PubSub[] = []
  const open = (on: Log, more: PubSubOptions = {}): PubSub => {
    const pubsub = new PubSub(on, more)
    all.push(pubsub)
    return pubsub
  }
  const pubsub = open(log!)
  return {
    clock,
    log: log!,
    pubsub,
    another: more => open(second!, more),
    payloads: async topic => (await pubsub.history(topic, { limit: 10_000 })).map(({ payload }) => payload),
    async [Symbol.asyncDispose]() {
      for (const each of all) await each.close()
      for (const each of logs) await each.close()
    },
  }
}

const withClock = (log: Log, clock: Clock): Log =>
  new Proxy(log, {
    get(target, property) {
      if (property === 'now') return clock.now
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
