import { AegisError } from '@aegis/storage'
import type { Actions, Line } from './recorder.ts'

/** Failures that say for certain that nothing was done. */
const refusals = ['VERSION_CONFLICT', 'TRANSACTION_CONFLICT', 'GENERATION_FENCED', 'TRANSACTION_TOO_OLD']

/** Tells what a workload does, before it does it and when it is done. */
export class Report {
  readonly #emit: (line: Line) => void
  #operations = 0
  #values = 0

  constructor(emit: (line: Line) => void) {
    this.#emit = emit
  }

  /** A value that nobody else writes. */
  value(process: string): string {
    return `${process}.${++this.#values}`
  }

  /** Something begins of which nobody will be told how it ends. */
  began(process: string, actions: Actions): void {
    this.#emit({ begin: ++this.#operations, process, actions })
  }

  /** Whether it was done, and not refused. */
  async operation(process: string, actions: Actions, work: () => Promise<Actions>): Promise<boolean> {
    const id = ++this.#operations
    this.#emit({ begin: id, process, actions })
    try {
      this.#emit({ end: id, outcome: 'ok', actions: await work() })
      return true
    } catch (error) {
      const refused = refusals.some(code => AegisError.is(error, code))
      this.#emit({ end: id, outcome: refused ? 'failed' : 'unknown', actions: {}, reason: String(error) })
      if (!refused) throw error
      return false
    }
  }
}
