/** What can go wrong in `@aegis/subscription`. */
export type SubscriptionErrorCode =
  /** An option is not allowed, or not in this combination. */
  | 'SUBSCRIPTION_INVALID'
  /** A second loop was started beside an active one. */
  | 'SUBSCRIPTION_BUSY'
  /** Used after `close()`, or the log or topic is gone. */
  | 'SUBSCRIPTION_CLOSED'
  /** Under exactly-once only the transaction of `run` acknowledges. */
  | 'ACK_OUTSIDE_TRANSACTION'
