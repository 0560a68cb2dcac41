import { AegisError } from '@aegis/storage'

/** Longest line in characters: an event of the largest size, with all in it escaped. */
const longest = 8_000_000

/** A line and its number, from 1. */
export interface Line {
  readonly number: number
  readonly text: string
}

/** What is wrong with a line. */
export const lineError = (number: number, why: string, cause?: unknown): AegisError =>
  new AegisError('IMPORT_INVALID', `line ${number}: ${why}; what was before it is stored, repair it and import again`, {
    cause,
    details: { line: number },
  })

/**
 * The lines of a text that comes in pieces, those that are not blank. An end of line can be of any kind; the last line needs none.
 * @throws AegisError `IMPORT_INVALID` for a line that is too long, and for bytes that are not UTF-8
 */
export async function* linesOf(
  source: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest: string[] = []
  let length = 0
  let number = 1
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (error) {
      throw lineError(number, 'it is not UTF-8', error)
    }
  }
  const add = (text: string): void => {
    length += text.length
    if (length > longest) throw lineError(number, `it has more than ${longest} characters`)
    rest.push(text)
  }
  const take = (): Line | undefined => {
    // What marks the byte order may stand before the first line.
    const line = { number: number++, text: rest.join('').replace(/^\ufeff/, '') }
    rest = []
    length = 0
    return line.text.trim() === '' ? undefined : line
  }
  for await (const piece of source) {
    const text = typeof piece === 'string' ? piece : decode(piece)
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      add(text.slice(start, end))
      start = end + 1
      const line = take()
      if (line !== undefined) yield line
    }
    add(text.slice(start))
  }
  add(decode())
  const last = take()
  if (last !== undefined) yield last
}
