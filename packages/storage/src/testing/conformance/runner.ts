import type { Storage, StorageReader } from '../../storage.ts'

/** What of a test runner is used: vitest, jest and bun:test have it. */
export interface TestRunner {
  describe(name: string, body: () => void): void
  it(name: string, body: () => Promise<void>): void
  expect(actual: unknown): Expectation
}

export interface Expectation {
  /** Deep equality. */
  toEqual(expected: unknown): void
}

/** A place for one database, new for each test. */
export interface StorageLocation {
  open(): Promise<Storage>
  /** Whether what was committed is there at the next `open`. Default false. */
  readonly keeps?: boolean
  /** Makes the next write fail, where that can be done: the traits of a fenced storage are tested then. */
  failNextWrite?(): void
  /** After each test. */
  destroy?(): Promise<void>
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)
export const put = (key: string, value: string) => ({ type: 'put', key: bytes(key), value: bytes(value) }) as const
export const del = (key: string) => ({ type: 'delete', key: bytes(key) }) as const

/** What a promise came to: `'done'`, or the code of the error. */
export function outcome(run: () => unknown): Promise<string> {
  return Promise.resolve()
    .then(run)
    .then(
      () => 'done',
      (error: { code?: string }) => error.code ?? String(error),
    )
}

/** The entries of a range as `key=value`. */
export async function list(reader: StorageReader, options: object = {}): Promise<string[]> {
  const found: string[] = []
  for await (const chunk of reader.range(options)) {
    for (const [key, value] of chunk) found.push(`${text(key)}=${text(value)}`)
  }
  return found
}

/** Runs a test on a new location and cleans up after it. */
export type OnLocation = (test: (location: StorageLocation) => Promise<void>) => () => Promise<void>

/** The same, with the storage opened. */
export type OnStorage = (test: (storage: Storage) => Promise<void>) => () => Promise<void>
