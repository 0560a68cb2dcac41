import type { SubjectKey } from '../event-protection.ts'

/** The key of a subject while it is in memory. Whoever still has it when the subject is forgotten has nothing any more. */
export class SubjectDataKey implements SubjectKey {
  readonly id: string
  #bytes: Buffer | undefined

  constructor(id: string, bytes: Buffer) {
    this.id = id
    this.#bytes = bytes
  }

  /** `undefined` once it is forgotten. */
  get bytes(): Buffer | undefined {
    return this.#bytes
  }

  forget(): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }
}
