export type { AbstractDatabase } from './abstract-store.ts'
export type { StorageErrorCode } from './errors.ts'
export { AegisError } from './errors.ts'
export type { LevelOptions } from './open.ts'
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
