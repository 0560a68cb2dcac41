import type { ExitCode } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'

export interface Command {
  /** What stands behind the name: `<folder> [topic]`. */
  readonly usage: string
  readonly summary: string
  /** Fewest and most arguments. */
  readonly takes: readonly [number, number]
  run(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<ExitCode>
}
