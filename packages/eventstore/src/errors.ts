/** What can go wrong in `@aegis/eventstore`, besides what the log throws: `VERSION_CONFLICT` among it, with `details.streamId`. */
export type EventStoreErrorCode =
  /** An event, stream id or option is not allowed. */
  | 'EVENT_INVALID'
  /** Used after `close()`. */
  | 'EVENT_STORE_CLOSED'
