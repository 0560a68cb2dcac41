export { StreamingEngine } from './engine.ts'
export type { EngineOptions } from './engine-options.ts'
export type { EngineTransaction } from './engine-transaction.ts'
