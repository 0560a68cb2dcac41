import { noActions, type Operation } from './history.ts'

/** What an operation does, as far as it is known. */
export type Actions = Partial<Omit<Operation, 'process' | 'start' | 'end' | 'outcome'>>

/** One line of what a workload reports: an operation begins, or has ended. */
export type Line =
  | { readonly begin: number; readonly process: string; readonly actions: Actions }
  | {
      readonly end: number
      readonly outcome: Operation['outcome']
      readonly actions: Actions
      /** Why it was refused, or is not known. */
      readonly reason?: string
    }

/**
 * Makes operations of lines. What began and never ended has an unknown outcome; what is known at the end
 * (offsets, versions) replaces what was known at the beginning.
 */
export class Recorder {
  readonly #open = new Map<string, Operation>()
  readonly #done: Operation[] = []
  #clock = 0

  /** `run` keeps apart the numbers of different processes. */
  add(run: string, line: Line): void {
    const at = this.#clock++
    if ('begin' in line) {
      const { begin, process, actions } = line
      const operation = {
        ...noActions,
        ...actions,
        process,
        start: at,
        end: Number.MAX_SAFE_INTEGER,
        outcome: 'unknown' as const,
      }
      this.#open.set(`${run} ${begin}`, operation)
      return
    }
    const id = `${run} ${line.end}`
    const begun = this.#open.get(id)
    if (begun === undefined) throw new Error(`operation ${id} ended and had not begun`)
    this.#open.delete(id)
    const { outcome, actions, reason } = line
    this.#done.push({ ...begun, ...actions, end: at, outcome, ...(reason !== undefined && { reason }) })
  }

  operations(): Operation[] {
    return [...this.#done, ...this.#open.values()].sort((a, b) => a.start - b.start)
  }
}
