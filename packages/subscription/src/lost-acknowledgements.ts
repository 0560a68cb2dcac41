/**
 * What was acknowledged of partitions and could not be committed any more before they were given away. Each of those who
 * commit is told once: the members of a shared group are several.
 */
export class LostAcknowledgements {
  #times = 0
  #error: unknown
  readonly #told = new WeakMap<object, number>()

  note(error: unknown): void {
    this.#times++
    this.#error = error
  }

  /** What was lost before is none of its business. */
  begin(by: object): void {
    this.#told.set(by, this.#times)
  }

  /** @throws what was noted last, if it was not told yet */
  tell(by: object): void {
    const told = this.#told.get(by) ?? 0
    this.begin(by)
    if (told < this.#times) throw this.#error
  }
}
