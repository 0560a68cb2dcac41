/** What the exit code of `aegis` says. */
export const exitCodes = {
  /** Done. */
  done: 0,
  /** It could not be done; standard error says why. */
  failed: 1,
  /** The arguments are wrong. */
  usage: 2,
  /** `verify` found something that is not as it was written. */
  damaged: 3,
  /** Ended by an interrupt. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
