export type { AbstractDatabase } from './abstract-store.ts'
export type { BackupOptions, CopyResult, OpenBackup, RestoreOptions } from './backup.ts'
export { backupStorage, openBackup, restoreBackup } from './backup.ts'
export { checksumBytes } from './checksum.ts'
export type { StorageErrorCode } from './errors.ts'
export { AegisError } from './errors.ts'
export type { LevelOptions } from './open.ts'
export { openAbstract, openLevel, openMemory } from './open.ts'
export type {
  CommitOptions,
  Damage,
  Durability,
  Entry,
  Operation,
  Progress,
  RangeOptions,
  ScanOptions,
  Storage,
  StorageReader,
  StorageReport,
  StorageSnapshot,
  StorageStatus,
  VerifyOptions,
} from './storage.ts'
