import { parseDuration, parseSize } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { StreamingErrorCode } from './errors.ts'

/** Where settings come from, and how they are named there. */
export interface Source {
  readonly code: StreamingErrorCode
  /** Before the name of a setting in messages: the file. */
  readonly prefix: string
  /** How the name of an option is written there. */
  readonly spell: (option: string) => string
}

type Values = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** Some settings of one source. Every reader checks; `end()` refuses what nobody has asked for. */
export class Section {
  readonly #source: Source
  readonly #values: Values
  readonly #path: string
  readonly #asked: string[] = []

  constructor(source: Source, values: Values, path = '') {
    this.#source = source
    this.#values = values
    this.#path = path
  }

  text(option: string): string | undefined {
    return this.#read(option, 'a text that is not empty', value =>
      typeof value === 'string' && value !== '' ? value : undefined,
    )
  }

  flag(option: string): boolean | undefined {
    return this.#read(option, 'true or false', value => (typeof value === 'boolean' ? value : undefined))
  }

  count(option: string): number | undefined {
    return this.#read(option, 'a whole number of at least 1', value =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined,
    )
  }

  choice<T extends string>(option: string, allowed: readonly T[]): T | undefined {
    const quoted = allowed.map(value => JSON.stringify(value)).join(' or ')
    return this.#read(option, quoted, value => allowed.find(other => other === value))
  }

  /** Milliseconds. */
  duration(option: string): number | undefined {
    return this.#measure(option, `milliseconds or a text such as "30s" (ms, s, m, h, d)`, parseDuration)
  }

  /** Bytes. */
  size(option: string): number | undefined {
    return this.#measure(option, `bytes or a text such as "1MB" (B, KB, MB, GB)`, parseSize)
  }

  section(option: string): Section {
    const values = this.#read(option, 'a table of settings', value => (isTable(value) ? value : undefined))
    return new Section(this.#source, values ?? {}, `${this.nameOf(option)}.`)
  }

  /** @throws AegisError when there is a setting that was not asked for. */
  end(...others: readonly string[]): void {
    const known = [...this.#asked, ...others.map(this.#source.spell)]
    const unknown = Object.keys(this.#values).find(key => !known.includes(key))
    if (unknown !== undefined) this.fail(`${this.#path}${unknown} is not known: there are ${known.join(', ')}`)
  }

  /** The setting's name as its source writes it. */
  nameOf(option: string): string {
    return `${this.#path}${this.#source.spell(option)}`
  }

  fail(message: string): never {
    throw new AegisError(this.#source.code, `${this.#source.prefix}${message}`)
  }

  #measure(option: string, allowed: string, parse: typeof parseSize): number | undefined {
    return this.#read(option, `${allowed}, at least 1`, value => {
      if (typeof value !== 'number' && typeof value !== 'string') return undefined
      try {
        return parse(option, value) || undefined
      } catch (error) {
        if (AegisError.is(error, 'LOG_INVALID')) return undefined
        throw error
      }
    })
  }

  #read<T>(option: string, allowed: string, accept: (value: unknown) => T | undefined): T | undefined {
    const key = this.#source.spell(option)
    this.#asked.push(key)
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined
    if (value === undefined) return undefined
    return accept(value) ?? this.fail(`${this.nameOf(option)} is ${show(value)}: give ${allowed}`)
  }
}

function show(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'function') return String(value)
  return JSON.stringify(value) ?? String(value)
}
