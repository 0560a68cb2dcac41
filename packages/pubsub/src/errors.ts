/** What can go wrong in `@aegis/pubsub`. */
export type PubSubErrorCode =
  /** The topic's name is reserved. */
  'TOPIC_NAME_INVALID'
