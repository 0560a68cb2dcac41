export { decodeRecordBatch } from './batch/decode.ts'
export { encodeRecordBatch } from './batch/encode.ts'
export type { BatchRecord, BatchRecordInput, RecordBatch, RecordBatchOptions } from './batch/layout.ts'
export { type Codec, decodePayload, encodePayload, keyText, type Readable, type Untyped } from './codec.ts'
export { parseDuration, parseSize } from './duration.ts'
export { backupLog } from './embedded/backup.ts'
export { type OpenLogOptions, openLog } from './embedded/open.ts'
export { verifyLog } from './embedded/verify.ts'
export type { LogProblem, LogReport } from './embedded/verify-report.ts'
export type { LogErrorCode } from './errors.ts'
export type {
  AlterTopicOptions,
  AppendOptions,
  Capabilities,
  Cleanup,
  CommittedPosition,
  DecidedPosition,
  ExpectedVersion,
  Follower,
  FollowOptions,
  GroupDescription,
  GroupMember,
  GroupSummary,
  Header,
  JoinOptions,
  Keyed,
  KeyedRecord,
  KeyHistoryOptions,
  Log,
  LogReader,
  LogRecord,
  OutgoingRecord,
  PartitionDescription,
  PartitionLag,
  PositionCommit,
  ProducerBatch,
  ReadOptions,
  ReadResult,
  Receipt,
  RecordPosition,
  ResetTo,
  Retention,
  TopicDescription,
  TopicDetails,
  TopicOptions,
  Transaction,
  TransactionOptions,
} from './log.ts'
export { partitionForKey } from './partitioner.ts'
