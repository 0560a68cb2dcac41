import type { Progress, ScanOptions, Storage } from './storage.ts'

const firstKey = Uint8Array.of(0)
const lastKey = new Uint8Array(32).fill(0xff)

/** Tells how far a walk over all keys has come, by the sizes that the database estimates. */
export class ScanProgress {
  #entries = 0
  #bytes = 0
  #fraction: number
  #total: number | undefined
  readonly #from: number
  readonly #storage: Pick<Storage, 'approximateSize'>
  readonly #onProgress: ScanOptions['onProgress']

  /** @param from the fraction at which the walk begins, when something was done before it */
  constructor(storage: Pick<Storage, 'approximateSize'>, onProgress: ScanOptions['onProgress'], from = 0) {
    this.#storage = storage
    this.#onProgress = onProgress
    this.#from = from
    this.#fraction = from
  }

  get entries(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#bytes
  }

  /** More was walked over, up to `key`. */
  async reached(key: Uint8Array, entries: number, bytes: number): Promise<void> {
    this.#entries += entries
    this.#bytes += bytes
    if (this.#onProgress === undefined) return
    this.#total ??= await this.#storage.approximateSize(firstKey, lastKey)
    // What is not in tables yet has no size.
    const part = this.#total === 0 ? 0 : Math.min(1, (await this.#storage.approximateSize(firstKey, key)) / this.#total)
    // The walk sees one moment, the sizes are of the next: they may go back, progress does not.
    this.#fraction = Math.max(this.#fraction, this.#from + (1 - this.#from) * part)
    this.#tell(this.#fraction)
  }

  done(): void {
    this.#tell(1)
  }

  #tell(fraction: number): void {
    const progress: Progress = { entries: this.#entries, bytes: this.#bytes, fraction }
    this.#onProgress?.(progress)
  }
}
