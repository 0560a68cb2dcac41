import type { Row } from './measure.ts'

export interface Context {
  /** A new folder, deleted at the end. */
  folder(): Promise<string>
  /** The count, or a hundredth of it for a first look. */
  size(count: number): number
}

/**
 * What each file of `benchmarks/` exports as `benchmark`. `--only` takes the name of the file; it is run in a process of
 * its own, so that neither memory nor compiled code of one shows in the figures of another.
 */
export interface Benchmark {
  /** What is measured, and against what; shown by `--help`. */
  readonly about: string
  run(context: Context): Promise<Row[]>
}
