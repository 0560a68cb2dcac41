import { parseDuration } from '@aegis/log'
import type { CloseOptions } from '@aegis/subscription'
import type { EventLog } from '../event-log.ts'
import { invalid } from '../invalid.ts'
import { claim } from './claims.ts'

function closeTimeout(timeout: number | string): number {
  try {
    return parseDuration('timeout', timeout)
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error))
  }
}

/** Something that goes through the events under a name. */
interface Running {
  readonly name: string
  close(): Promise<void>
}

/** What runs together: started, found by name and closed as one, with the store at the latest. */
export class RunningSet<R extends Running> {
  readonly #events: EventLog
  readonly #kind: string
  readonly #members: ReadonlyMap<string, R>
  readonly #release: () => void
  // A program that has nothing else to do is there for this.
  readonly #keepAlive = setInterval(() => undefined, 2 ** 30)
  #closing: Promise<void> | undefined
  /** What is at work is not waited for any more. */
  #giveUp: () => void = () => undefined
  readonly #givenUp = new Promise<void>(resolve => {
    this.#giveUp = resolve
  })

  private constructor(events: EventLog, kind: string, members: readonly R[], release: () => void) {
    this.#events = events
    this.#kind = kind
    this.#members = new Map(members.map(member => [member.name, member]))
    this.#release = release
    events.dependents.add(this)
  }

  /** @throws AegisError `EVENT_PROCESSOR_RUNNING`, and what starting throws: what was started is closed then */
  static async start<Definition extends { readonly name: string }, R extends Running>(
    events: EventLog,
    kind: string,
    definitions: readonly Definition[],
    start: (definition: Definition) => Promise<R>,
  ): Promise<RunningSet<R>> {
    const release = claim(
      events.log,
      definitions.map(({ name }) => `${kind} ${name}`),
    )
    const started: R[] = []
    try {
      await events.prepare()
      for (const definition of definitions) started.push(await start(definition))
      return new RunningSet(events, kind, started, release)
    } catch (error) {
      for (const member of started) await member.close()
      release()
      throw error
    }
  }

  all(): R[] {
    return [...this.#members.values()]
  }

  /** @throws AegisError `EVENT_INVALID` */
  named(name: string): R {
    const member = this.#members.get(name)
    if (member !== undefined) return member
    throw invalid(
      `${this.#kind} ${JSON.stringify(name)} is not among those started: ${[...this.#members.keys()].join(', ')}`,
    )
  }

  /** With `timeout` what is at work is waited for no longer than that: it ends by itself, or with its log. */
  async close({ timeout }: CloseOptions = {}): Promise<void> {
    // Whoever has less patience than somebody who waits already is heard, too.
    const timer = timeout === undefined ? undefined : setTimeout(() => this.#giveUp(), closeTimeout(timeout))
    this.#closing ??= this.#close()
    await this.#closing.finally(() => clearTimeout(timer))
  }

  async #close(): Promise<void> {
    const closed = Promise.all(this.all().map(member => member.close()))
    // Nobody else may have its name before it has ended.
    const released = closed.then(this.#release)
    await Promise.race([released, this.#givenUp])
    clearInterval(this.#keepAlive)
    this.#events.dependents.delete(this)
  }
}
