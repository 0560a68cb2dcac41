/** What can go wrong in `@aegis/eventstore`, besides what the log throws: `VERSION_CONFLICT` among it, with `details.streamId`. */
export type EventStoreErrorCode =
  /** An event, stream id or option is not allowed. */
  | 'EVENT_INVALID'
  /** Some events of an append have ids that the stream has already, others not: it is neither new nor a repetition. */
  | 'EVENT_ID_USED'
  /** An event was read whose type is not one of `types`, and `unknownTypes` is `'throw'`. */
  | 'EVENT_TYPE_UNKNOWN'
  /** The stream was deleted for good: nothing can be appended to it any more. */
  | 'STREAM_TOMBSTONED'
  /** Used after `close()`. */
  | 'EVENT_STORE_CLOSED'
  /** A projection or workflow of this name runs on the log already. */
  | 'EVENT_PROCESSOR_RUNNING'
  /** A projection or workflow stopped at an event that it cannot handle, which the message names. */
  | 'EVENT_PROCESSOR_FAILED'
  /** A workflow has gone through the events of a topic that was deleted and made again: its positions and states are of other events. */
  | 'EVENTS_RECREATED'
  /** A projection or workflow did not come to a position in the time that was given. */
  | 'EVENT_PROCESSOR_TIMEOUT'
  /** A projection or workflow was closed. */
  | 'EVENT_PROCESSOR_CLOSED'
  /** The key of a subject was wrapped by a master key that is not among those given. */
  | 'MASTER_KEY_UNKNOWN'
  /** Private data is not what was stored: it was changed, or moved here from another event. */
  | 'PRIVATE_DATA_CORRUPT'
  /** A line of an import is not an event in the format of CloudEvents, or cannot be appended; the message names it. */
  | 'IMPORT_INVALID'
