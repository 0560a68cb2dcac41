import type { Follower, FollowOptions, Log, ReadResult } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Settings } from './settings.ts'

export type Page = ReadResult & { readonly partition: number }

/** Who gets the pages. */
export interface PageTaker {
  /** Whether there is room for another page; when that changes, `goOn` is to be called. */
  hasRoom(): boolean
  /** The next page is read when it resolves. */
  receive(page: Page): Promise<void>
  /** The topic is deleted. */
  gone(): void
  failed(error: unknown): void
}

/** Reads some partitions of a topic, page by page, while there is room; what is read can be changed at any time. */
export class PageReader {
  readonly #log: Log
  readonly #topic: string
  readonly #taker: PageTaker
  readonly #settings: Pick<Settings, 'prepare' | 'wants'>
  #follower: Follower | undefined
  #proceed: (() => void) | undefined
  #closed = false

  /** `prepare` is waited for before a page is given on, which has only the records that `wants` takes. */
  constructor(log: Log, topic: string, taker: PageTaker, settings: Pick<Settings, 'prepare' | 'wants'>) {
    this.#settings = settings
    this.#log = log
    this.#topic = topic
    this.#taker = taker
  }

  /** Reads this from now on. A page that is on its way is given up: it is read again where it is still wanted. */
  follow(options: FollowOptions): void {
    this.#follower?.close()
    this.#follower = undefined
    this.#unblock()
    if (this.#closed) return
    const follower = this.#log.follow(this.#topic, options)
    this.#follower = follower
    void this.#read(follower)
  }

  get following(): boolean {
    return this.#follower !== undefined
  }

  /** There may be room again. */
  goOn(): void {
    if (this.#proceed !== undefined && this.#taker.hasRoom()) this.#unblock()
  }

  close(): void {
    this.#closed = true
    this.#follower?.close()
    this.#unblock()
  }

  #unblock(): void {
    const proceed = this.#proceed
    this.#proceed = undefined
    proceed?.()
  }

  /** Reads until another follower takes its place. Never rejects. */
  async #read(follower: Follower): Promise<void> {
    const replaced = (): boolean => this.#closed || this.#follower !== follower
    let ahead: ReturnType<Follower['next']> | undefined
    try {
      for (;;) {
        while (!this.#taker.hasRoom() && !replaced()) {
          await new Promise<void>(resolve => {
            this.#proceed = resolve
          })
        }
        if (replaced()) return
        const fetched = await (ahead ?? follower.next())
        if (replaced()) return
        if (fetched === undefined) {
          // It ends because the log is closed, or its topic is gone, which may be there again as another.
          this.#log.topic(this.#topic)
          this.#taker.gone()
          return
        }
        // Read while this one is handled: handlers that do not wait leave no moment for it to begin. What it fails with is
        // told when its turn comes.
        ahead = follower.next()
        ahead.catch(() => undefined)
        const { wants, prepare } = this.#settings
        const page = wants === undefined ? fetched : { ...fetched, records: fetched.records.filter(wants) }
        await prepare?.(page.records)
        if (replaced()) return
        await this.#taker.receive(page)
      }
    } catch (error) {
      if (AegisError.is(error, 'TOPIC_UNKNOWN')) this.#taker.gone()
      else if (AegisError.is(error, 'LOG_CLOSED')) {
        this.#taker.failed(new AegisError('SUBSCRIPTION_CLOSED', `the log of topic ${this.#topic} was closed`))
      } else this.#taker.failed(error)
    }
  }
}
