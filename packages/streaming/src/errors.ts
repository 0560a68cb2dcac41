/** What can go wrong in `@aegis/streaming`, besides what the packages it gathers throw. */
export type StreamingErrorCode =
  /** An option of `open` is not known, not allowed, or not in this combination. */
  | 'ENGINE_INVALID'
  /** The configuration file cannot be read, is not TOML, or has a key or value that is not allowed. */
  | 'CONFIG_INVALID'
  /** `[streaming.cdc] enabled = false`, or the option `cdc.enabled`, has turned tables off. */
  | 'CDC_DISABLED'
  /** The address needs a driver that is not installed; the message has the command. */
  | 'DRIVER_NOT_INSTALLED'
