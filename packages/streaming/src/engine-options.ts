import type { EventStoreOptions } from '@aegis/eventstore'
import type { PublishLimitOptions } from '@aegis/pubsub'
import type { Durability } from '@aegis/storage'

/** What subscribers of topics get that do not say otherwise. */
export interface ConsumerOptions {
  /** Largest number of records fetched at once. Default 500. */
  maxPollRecords?: number
  /** Asking for the next message acknowledges the one before. Default false. */
  autoCommit?: boolean
  /** How long a member of a group may be silent: milliseconds or `'30s'`. Between processes only: those of one share an event loop. */
  sessionTimeout?: number | string
}

export interface CdcOptions {
  /** `false`: `engine.cdc` throws `CDC_DISABLED`. Default true. */
  enabled?: boolean
  /** Changes that a subscription fetches at once. Default 10,000. */
  bufferSize?: number
}

/** How to use the servers of `url`. */
export interface ClusterOptions {
  /** The stream that everything lives in: two domains on the same servers know nothing of one another. Default `'aegis'`. */
  domain?: string
  /** How many servers keep the data, when the domain is made: 1, 3 or 5. Default 1. */
  replicas?: number
  user?: string
  password?: string
  token?: string
  /** The seed of an NKey, beginning with `SU`. */
  nkeySeed?: string
  /** The path of a credentials file (JWT and NKey). */
  credentialsFile?: string
  /** Path of the certificates that the servers' own must be signed by, in PEM. */
  caFile?: string
  /** Path of the certificate that this program shows, in PEM; its key is in `keyFile`. */
  certFile?: string
  keyFile?: string
  /** How long a request may wait for an answer, lost connections included: milliseconds or `'30s'`, the default. */
  requestTimeout?: number | string
}

/**
 * Where the data is - one of `dataDir`, `memory` and `url` - and what holds for all of it. All but `config`, `now` and `events` can
 * be in the configuration file as well, in snake case; what is given here beats the file.
 */
export interface EngineOptions {
  /** The folder of the data; made if it is not there. Default, when a `config` names no place: `data` beside the file. */
  dataDir?: string
  /** Keeps everything in memory instead: for tests. */
  memory?: boolean
  /** A cluster: `'nats://host:4222'`, or several addresses separated by commas. Takes the package `@aegis/log-jetstream`. */
  url?: string
  /** With `url`. */
  cluster?: ClusterOptions
  /** A TOML file; a relative `data_dir` in it is relative to the file. */
  config?: string
  /** Default `'fsync'`: what is acknowledged survives power loss. `'buffered'`: a crash of the process. */
  durability?: Durability
  /** The clock, in milliseconds since the epoch, for tests that cannot wait. Default `Date.now`. */
  now?: () => number
  /** Largest message of topics that do not say otherwise: bytes or `'1MB'`. Default `'1MB'`. */
  maxMessageSize?: number | string
  /** Retention of topics that are not keyed and do not say otherwise: milliseconds or `'7d'`. Default: for ever. */
  defaultRetention?: number | string
  consumer?: ConsumerOptions
  /** How much may be published and not durable yet, and what becomes of messages beyond it. Default: no limit. */
  publishLimit?: PublishLimitOptions
  cdc?: CdcOptions
  /** What `engine.events` knows beside the log: upcasters, inline projections, privacy. */
  events?: EventStoreOptions
}
