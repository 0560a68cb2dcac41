import type { Readable } from 'node:stream'

/** The lines that a process has said to their end: one that its kill has cut off was told no one. */
export async function* completeLines(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = `${rest}${String(chunk)}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
