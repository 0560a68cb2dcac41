/** What can go wrong in `@aegis/subscription`. */
export type SubscriptionErrorCode =
  /** An option is not allowed, or not in this combination. */
  | 'SUBSCRIPTION_INVALID'
  /** A second loop was started beside an active one. */
  | 'SUBSCRIPTION_BUSY'
  /** Used after `close()`, or the log or topic is gone. */
  | 'SUBSCRIPTION_CLOSED'
  /** Under exactly-once a bare `ack()` is refused: the transaction of `run`, or `acknowledge(tx, item)`, acknowledges. */
  | 'ACK_OUTSIDE_TRANSACTION'
  /** What is to be acknowledged in a transaction is not an item of a subscription with a group. */
  | 'ACK_UNKNOWN'
  /** A message was refused `maxAttempts` times, and without a group there are no dead letters to put it in. */
  | 'ATTEMPTS_EXHAUSTED'
  /** In a shared group: the message was not acknowledged before its lease ended, and another member may have it. */
  | 'LEASE_LAPSED'
