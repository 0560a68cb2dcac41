const often = 200
const sparse = 5_000

/** One line that is written over on a terminal; a line now and then where the output goes into a file. */
export class TerminalProgress {
  readonly #terminal = process.stderr.isTTY
  #shown = this.#terminal ? 0 : Date.now()

  show(text: () => string): void {
    const now = Date.now()
    if (now - this.#shown < (this.#terminal ? often : sparse)) return
    this.#shown = now
    if (!this.#terminal) process.stderr.write(`${text()}\n`)
    // Cut, for a line that wraps could not be written over.
    else process.stderr.write(`\r\u001b[2K${text().slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }

  end(): void {
    if (this.#terminal) process.stderr.write('\r\u001b[2K')
  }
}
