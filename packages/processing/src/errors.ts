/** What can go wrong in `@aegis/processing`, besides what the log throws. */
export type ProcessingErrorCode =
  /** An option, an operator or the order of operators is not allowed. */
  | 'PROCESSOR_INVALID'
  /** `aggregate` needs a window: say `.window('5m')` before it. */
  | 'WINDOW_MISSING'
  /** A processor with this id is running on the log already. */
  | 'PROCESSOR_RUNNING'
  /** What is stored under the id belongs to a processor with other steps; `details` has `stored` and `given`. */
  | 'TOPOLOGY_CHANGED'
  /** A function of the user threw, or a record could not be decoded; `details` has `operator`, `topic`, `partition` and `offset`. */
  | 'OPERATOR_FAILED'
  /** `timestampBy` gave something that is not a time. */
  | 'TIMESTAMP_INVALID'
  /** `keyBy` gave something that cannot be a key. */
  | 'KEY_INVALID'
  /** An aggregator was given something that is not a number, or a window an item that cannot be stored. */
  | 'VALUE_INVALID'
  /** What one record causes does not fit into one transaction. */
  | 'BATCH_TOO_LARGE'
