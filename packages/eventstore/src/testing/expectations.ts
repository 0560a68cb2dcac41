import assert from 'node:assert/strict'
import type { EventInput } from '../event.ts'

/** How an error is told: its class, its message or a part of it, what it has, or a function that says whether it is the one. */
export type ErrorExpectation =
  | (abstract new (
      ...args: never[]
    ) => Error)
  | RegExp
  | Readonly<Record<string, unknown>>
  | ((error: unknown) => boolean)

/** What is to follow. Each throws an `AssertionError` with the difference when something else does. */
export interface Expectations<Item> {
  /** These, in this order. (Not `then`: what has that is a promise to JavaScript.) */
  thenExpect(...expected: readonly Item[]): Promise<void>
  thenNothing(): Promise<void>
  /** It is refused. */
  thenThrows(expected?: ErrorExpectation): Promise<void>
}

/**
 * @param what What follows, for messages: `events`.
 * @param compared What of an item is compared with an expected one. Default: all.
 */
export function expectations<Item>(
  what: string,
  work: () => Promise<readonly Item[]>,
  compared: (item: Item, expected: Item | undefined) => unknown = item => item,
): Expectations<Item> {
  const compare = async (expected: readonly Item[]): Promise<void> => {
    const actual = await work()
    const shown = actual.map((item, at) => compared(item, expected[at]))
    const wanted = expected.map(item => compared(item, item))
    try {
      assert.deepEqual(shown, wanted)
    } catch (error) {
      const { message } = error as Error
      throw new assert.AssertionError({
        message: `Other ${what} than expected: ${message}`,
        actual: shown,
        expected: wanted,
        operator: 'deepStrictEqual',
        stackStartFn: compare,
      })
    }
  }
  return {
    thenExpect: (...expected) => compare(expected),
    thenNothing: () => compare([]),
    async thenThrows(expected) {
      let actual: readonly Item[]
      try {
        actual = await work()
      } catch (error) {
        if (expected !== undefined) await assert.rejects(Promise.reject(error), expected as RegExp)
        return
      }
      assert.fail(`It was not refused. ${what}: ${JSON.stringify(actual)}`)
    },
  }
}

/** Of an event: its type and data, and of metadata and id what the expected one gives. */
export function comparedEvent(event: EventInput, expected: EventInput | undefined): unknown {
  return {
    type: event.type,
    data: event.data,
    ...(expected?.metadata !== undefined && { metadata: event.metadata }),
    ...(expected?.id !== undefined && { id: event.id }),
  }
}
