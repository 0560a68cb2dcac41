export { type ExitCode, exitCodes } from './exit-codes.ts'
export { type RunOptions, run } from './run.ts'
export type { Output } from './terminal.ts'
