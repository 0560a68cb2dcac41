import type { Progress } from '@aegis/storage'

/** Where text goes: what of a stream is used. */
export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Results for people as text, for programs as one JSON document; progress on its own line, for people only. */
export class Terminal {
  readonly #stdout: Output
  readonly #stderr: Output
  readonly json: boolean
  #progressShown = -1

  constructor(stdout: Output, stderr: Output, json: boolean) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.json = json
  }

  /** The result of the command: `data` for programs, `lines` for people. */
  result(data: unknown, lines: readonly string[]): void {
    this.#endProgress()
    this.#stdout.write(this.json ? `${JSON.stringify(data, null, 2)}\n` : lines.map(line => `${line}\n`).join(''))
  }

  error(code: string | undefined, message: string, details: unknown): void {
    this.#endProgress()
    const text = this.json
      ? JSON.stringify({ error: { code, message, details } })
      : `aegis: ${message}${code === undefined ? '' : ` (${code})`}`
    this.#stderr.write(`${text}\n`)
  }

  /** Says how far `what` has come, over and over on one line. */
  progress(what: string): (progress: Progress) => void {
    return ({ fraction }) => {
      const percent = Math.floor(fraction * 100)
      if (this.#stderr.isTTY !== true || percent === this.#progressShown) return
      this.#progressShown = percent
      this.#stderr.write(`\r${what}: ${percent} %`)
    }
  }

  #endProgress(): void {
    if (this.#progressShown >= 0) this.#stderr.write('\n')
    this.#progressShown = -1
  }
}
