// For those who write another driver of `Log`: what is decided once for all of them.
export { BatchWriter } from './batch/batch-writer.ts'
export { noHeaders } from './batch/layout.ts'
export { checkedRecords, checkRecord } from './embedded/append.ts'
export { checkFollowedKey } from './embedded/history/follow-key.ts'
export { withOwnRecords } from './embedded/history/own-records.ts'
export { checkHistoryOptions, withinBytes } from './embedded/history/read.ts'
export { checkVersion } from './embedded/history/write.ts'
export { checkProducer, decideProducerBatch, rememberedBatches } from './embedded/producers.ts'
export { checkSame } from './embedded/topic-catalog.ts'
export {
  alteredTopic,
  checkName,
  checkTopic,
  type TopicDefaults,
  type TopicSettings,
  withDefaults,
} from './embedded/topic-options.ts'
export { StickyPartitioner } from './partitioner.ts'
export { readStoredRecords } from './stored-record.ts'
