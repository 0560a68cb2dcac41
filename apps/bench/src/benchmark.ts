import type { Row } from './measure.ts'

export interface Context {
  /** A new folder, deleted at the end. */
  folder(): Promise<string>
  /** The count, or a hundredth of it for a first look. */
  size(count: number): number
}

export interface Benchmark {
  readonly name: string
  run(context: Context): Promise<Row[]>
}
