export type { StorageErrorCode } from './errors.ts'
export { AegisError } from './errors.ts'
export type { AbstractDatabase, LevelOptions } from './open.ts'
export { openAbstract, openLevel, openMemory } from './open.ts'
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
