export { AegisError, type StorageErrorCode } from './errors.ts'
export { openLevel } from './level.ts'
export { openMemory } from './memory.ts'
export type {
  CommitOptions,
  Durability,
  Entry,
  Operation,
  RangeOptions,
  Storage,
  StorageReader,
  StorageSnapshot,
  StorageStatus,
} from './storage.ts'
