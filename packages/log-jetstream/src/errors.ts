/** What can go wrong in `@aegis/log-jetstream`, besides what every log throws. */
export type JetStreamErrorCode =
  /** An option of `connectLog` is not known or not allowed, or the servers do not have what it asks for. */
  | 'CONNECT_INVALID'
  /** No server could be reached when connecting, or TLS with it failed: the message says why. */
  | 'CONNECT_FAILED'
  /** The servers refuse the user, password, token, key or credentials file. */
  | 'AUTHENTICATION_FAILED'
  /** No answer came in time. What was asked for may have happened or not: appends and transactions say so in `details.outcome`. */
  | 'CLUSTER_UNREACHABLE'
  /** The servers refuse a request: a limit of the account or stream is reached, or a permission is missing. The cause has their words. */
  | 'CLUSTER_REFUSED'
