/** What can go wrong in `@aegis/log`. */
export type LogErrorCode =
  /** An argument or option is not allowed. */
  | 'LOG_INVALID'
  /** Used after `close()`. */
  | 'LOG_CLOSED'
  /** This log cannot do it; its `capabilities` say so. */
  | 'NOT_SUPPORTED'
  /** No topic has this name. */
  | 'TOPIC_UNKNOWN'
  /** A topic of this name exists with other settings. */
  | 'TOPIC_EXISTS'
  /** The topic has no such partition. */
  | 'PARTITION_UNKNOWN'
  /** The record is larger than the topic's `maxMessageSize`. */
  | 'RECORD_TOO_LARGE'
  /** The topic's codec cannot carry the payload, or the stored bytes are not of it. */
  | 'PAYLOAD_INVALID'
  /** The bytes are not a RecordBatch v2, or damaged. */
  | 'BATCH_INVALID'
  /** The key is not at the expected version; `details` has `expected` and `actual`. */
  | 'VERSION_CONFLICT'
  /** Something the transaction has read was changed before it could commit. */
  | 'TRANSACTION_CONFLICT'
  /** The transaction is older than 10 seconds. */
  | 'TRANSACTION_TOO_OLD'
  /** The transaction is larger than 16 MB. */
  | 'TRANSACTION_TOO_LARGE'
  /** Used after its end, or a receipt read before the commit. */
  | 'TRANSACTION_STATE'
  /** Records that were stored are not there any more; `details` say which. Damage, or a loss that was accepted at opening. */
  | 'RECORDS_MISSING'
  /** The position belongs to another incarnation of the topic, or to a database before it was restored. */
  | 'OFFSET_RESET'
  /** The member's generation has passed: its partitions are another's now. */
  | 'GENERATION_FENCED'
  /** Another producer with the same id and a higher epoch has appended: this one must stop. */
  | 'PRODUCER_FENCED'
  /** The producer's sequence number leaves a gap; `details` has `expectedSequence`. */
  | 'PRODUCER_SEQUENCE'
  /** The producer's records are stored already, but their positions are remembered no more. */
  | 'PRODUCER_DUPLICATE'
  /** The group has members: its positions can be reset only when it has none. */
  | 'GROUP_ACTIVE'
