import type { Log, TopicDescription } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { isLogGone } from './known-topic.ts'

/** How soon topics are noticed that others than this object create. */
const pollInterval = 1_000

export const isPattern = (topic: string): boolean => topic.includes('*')

/**
 * Which topics a pattern means: `*` stands for any text without a dot, `**` for any text. Neither means internal topics, whose
 * names start with `$`, nor dead letters.
 * @throws AegisError `PUBSUB_INVALID`
 */
export function matcherOf(patterns: readonly string[]): (topic: string) => boolean {
  const expressions = patterns.map(pattern => {
    if (!/^[A-Za-z0-9._*-]{1,249}$/.test(pattern) || pattern.includes('***')) {
      throw new AegisError(
        'PUBSUB_INVALID',
        `topic pattern ${JSON.stringify(pattern)}: give letters, digits, '.', '_', '-', '*' for one part and '**' for several`,
      )
    }
    const source = pattern.replaceAll('.', '\\.').replaceAll('**', '\0').replaceAll('*', '[^.]+').replaceAll('\0', '.+')
    return new RegExp(`^${source}$`)
  })
  return topic =>
    !topic.startsWith('$') && !topic.endsWith('.dead') && expressions.some(expression => expression.test(topic))
}

/** Takes up topics that match as they are created. */
export class TopicWatch {
  readonly #log: Log
  readonly #matches: (topic: string) => boolean
  readonly #add: (topic: TopicDescription) => Promise<void>
  readonly #known: Set<string>
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  /** `known` are those that have been taken up before. */
  constructor(
    log: Log,
    matches: (topic: string) => boolean,
    known: readonly TopicDescription[],
    add: (topic: TopicDescription) => Promise<void>,
  ) {
    this.#log = log
    this.#matches = matches
    this.#add = add
    // One that was deleted and created again is another topic.
    this.#known = new Set(known.map(({ incarnation }) => incarnation))
    this.#timer = setInterval(() => void this.look(), pollInterval).unref()
  }

  /** Resolves when the topics that there are now are taken up. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      try {
        for (const topic of this.#closed ? [] : await this.#log.listTopics()) {
          if (this.#closed || this.#known.has(topic.incarnation) || !this.#matches(topic.name)) continue
          await this.#add(topic)
          this.#known.add(topic.incarnation)
        }
      } catch (error) {
        if (isLogGone(error) || AegisError.is(error, 'SUBSCRIPTION_CLOSED')) this.close()
        // Deleted meanwhile: the next look does not see it any more.
        else if (!AegisError.is(error, 'TOPIC_UNKNOWN')) {
          process.emitWarning(`a new topic cannot be read, and is tried again: ${String(error)}`, {
            code: 'AEGIS_TOPIC_PATTERN',
          })
        }
      }
    })
    return this.#looking
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
  }
}
