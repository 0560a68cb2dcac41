import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A file that bytes are appended to: what a log on this disk is held against. */
export class PlainFile implements Disposable {
  readonly #descriptor: number

  constructor(folder: string) {
    this.#descriptor = openSync(join(folder, 'plain'), 'a')
  }

  append(bytes: Uint8Array): void {
    writeSync(this.#descriptor, bytes)
  }

  sync(): void {
    fdatasyncSync(this.#descriptor)
  }

  /** Appends `count` times, synced so often in all, at even distances. */
  appendSynced(count: number, syncs: number, bytes: (n: number) => Uint8Array): void {
    let synced = 0
    for (let n = 1; n <= count; n++) {
      this.append(bytes(n - 1))
      if (n * syncs >= (synced + 1) * count) {
        this.sync()
        synced++
      }
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }
}
