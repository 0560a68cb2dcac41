/** What can go wrong in `@aegis/eventstore`, besides what the log throws: `VERSION_CONFLICT` among it, with `details.streamId`. */
export type EventStoreErrorCode =
  /** An event, stream id or option is not allowed. */
  | 'EVENT_INVALID'
  /** Some events of an append have ids that the stream has already, others not: it is neither new nor a repetition. */
  | 'EVENT_ID_USED'
  /** The stream was deleted for good: nothing can be appended to it any more. */
  | 'STREAM_TOMBSTONED'
  /** Used after `close()`. */
  | 'EVENT_STORE_CLOSED'
