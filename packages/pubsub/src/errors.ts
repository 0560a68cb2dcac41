/** What can go wrong in `@aegis/pubsub`, besides what the log and the subscription throw. */
export type PubSubErrorCode =
  /** The topic's name is reserved: it starts with `$`. */
  | 'TOPIC_NAME_INVALID'
  /** A message is not `{ payload }` or `{ key, tombstone: true }`, or one of its fields is not allowed. */
  | 'MESSAGE_INVALID'
  /** A payload does not fit the topic's schema; `details.issues` has path and message of each fault. */
  | 'SCHEMA_MISMATCH'
  /** The topic's schema answers asynchronously, which cannot be waited for between messages. */
  | 'SCHEMA_ASYNC'
  /** An option of `PubSub` or of one of its methods is not allowed. */
  | 'PUBSUB_INVALID'
  /** More is on its way to the log than `publishLimit` allows, or an Observable gives more than can be published. */
  | 'PUBLISH_LIMIT'
  /** Nobody has replied to a request within its timeout. */
  | 'REQUEST_TIMEOUT'
  /** The handler of the responder has failed; `details` has name, message and code of its error. */
  | 'REQUEST_FAILED'
  /** A request waits for its reply, or is made, while `PubSub` is closed. */
  | 'PUBSUB_CLOSED'
  /** A schedule's name, cron expression, time zone or another setting is not allowed. */
  | 'SCHEDULE_INVALID'
