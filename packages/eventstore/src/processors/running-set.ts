import type { EventLog } from '../event-log.ts'
import { invalid } from '../invalid.ts'
import { claim } from './claims.ts'

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

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all(this.all().map(member => member.close()))
      clearInterval(this.#keepAlive)
      this.#events.dependents.delete(this)
      this.#release()
    })()
    return this.#closing
  }
}
