import { pageKey, u64 } from '../../keys.ts'
import type { Sequencer } from '../sequencer.ts'
import type { StoredReads } from '../stored-reads.ts'
import { decodeHead, encodeHead, endsWithSmallPages, type HistoryHead, type Page } from './head.ts'

/** So many small pages at the end of a history are folded. */
const manyPages = 16
/** A page of so many bytes is not folded again. */
const largeBytes = 64_000

interface Host {
  readonly storage: StoredReads
  readonly sequencer: Sequencer
}

/**
 * Makes few large pages of many small ones, in the background: a long history is then read in few reads, and its head, which
 * each append rewrites, stays short.
 */
export class Folding {
  readonly #host: Host
  /** Keys of the heads whose pages may be too many. */
  readonly #wanted = new Map<string, Uint8Array>()
  #running: Promise<void> | undefined
  #stopped = false

  constructor(host: Host) {
    this.#host = host
  }

  /** A head was written: what it lists tells whether there is something to be done. */
  headWritten(id: string, headKey: Uint8Array, stored: Uint8Array): void {
    if (!endsWithSmallPages(stored, manyPages, largeBytes)) return
    this.#wanted.set(id, headKey)
    this.#running ??= new Promise(resolve => setImmediate(resolve)).then(() => this.#run())
  }

  /** Resolves when nothing is left to be folded. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.settled()
  }

  async #run(): Promise<void> {
    try {
      for (const [id, headKey] of this.#wanted) {
        this.#wanted.delete(id)
        while (!this.#stopped && (await this.#fold(headKey)));
      }
    } catch {
      // The next page asks for it again; what makes all of it fail, a fenced storage, shows on the next append.
      this.#wanted.clear()
    } finally {
      this.#running = undefined
    }
  }

  /** Whether something was folded. */
  async #fold(headKey: Uint8Array): Promise<boolean> {
    const { storage, sequencer } = this.#host
    const stored = await storage.get(headKey)
    const run = stored === undefined ? [] : smallPages(decodeHead(stored))
    if (run.length === 0) return false
    const values = await storage.getMany(run.map(({ last }) => pageKey(headKey, last)))
    const entries = values.flatMap(value => (value === undefined ? [] : [value.subarray(8)]))
    if (entries.length < run.length) return false
    const { first } = run[0]!
    const { last } = run.at(-1)!
    const page = Buffer.concat([u64(first), ...entries])
    await sequencer.submit({
      reads: [headKey],
      decide: stage => {
        const now = stage.get(headKey)
        const head = now === undefined ? undefined : decodeHead(now)
        const at = head?.pages.findIndex(known => known.first === first) ?? -1
        // Truncated, or its topic deleted, in the meantime.
        if (head === undefined || at < 0) return
        for (const folded of run) if (folded.last !== last) stage.delete(pageKey(headKey, folded.last))
        const pages = head.pages.toSpliced(at, run.length, { first, last, bytes: page.length })
        stage.put(pageKey(headKey, last), page)
        stage.give(headKey, encodeHead({ ...head, pages }))
        stage.meansTheSame(pageKey(headKey, last))
        stage.meansTheSame(headKey)
      },
    })
    return true
  }
}

/** The small pages at the end, as many as make a large one; none while they are few. */
function smallPages({ pages }: HistoryHead): readonly Page[] {
  let from = pages.length
  while (from > 0 && pages[from - 1]!.bytes < largeBytes) from--
  if (pages.length - from < manyPages) return []
  let end = from
  for (let bytes = 0; end < pages.length && bytes < largeBytes; end++) bytes += pages[end]!.bytes
  return pages.slice(from, end)
}
