export { StreamingEngine } from './engine.ts'
export type { CdcOptions, ConsumerOptions, EngineOptions } from './engine-options.ts'
export type { EngineTransaction } from './engine-transaction.ts'
export type { StreamingErrorCode } from './errors.ts'
