export { AggregateRoot } from './aggregate-root.ts'
export type { AggregateCommand, AggregateOptions } from './aggregates.ts'
export type { AppendEventsReceipt } from './append-within.ts'
export type {
  CommandHandler,
  CommandHandlerOptions,
  CommandOptions,
  CommandResult,
  CommandTransaction,
  LoadedState,
} from './command-handler.ts'
export type { ConsumeEventsOptions, EventConsumer } from './consumers/event-consumer.ts'
export type { Decider, Decision } from './decider.ts'
export type { DeciderOptions } from './decider-handler.ts'
export type { DeliveredEvent } from './delivered-event.ts'
export type { EventStoreErrorCode } from './errors.ts'
export { Event, type EventInput, type Metadata, type StoredEvent, type StoredFields } from './event.ts'
export type { KnownTypes } from './event-codec.ts'
export type { EventFilter } from './event-filter.ts'
export type { EventStoreOptions } from './event-log.ts'
export { EventStore } from './event-store.ts'
export type { EventTransaction } from './event-transaction.ts'
export type { ExpectedVersion } from './expected-version.ts'
export type { StreamSummary } from './list-streams.ts'
export type { AppendEventsOptions, AppendEventsResult } from './prepare-append.ts'
export type { Projection } from './projection.ts'
export type { ReadEventsOptions } from './read.ts'
export type { ReadAllOptions } from './read-all.ts'
export type { Downcaster, EventBody, SchemaChange, Upcaster } from './schema-change.ts'
export type { SnapshotCodec, SnapshotPolicy } from './snapshot.ts'
export type { DeleteStreamOptions } from './stream-administration.ts'
export type { StreamRetention } from './stream-state.ts'
export type { EventSubscription, SubscribeEventsOptions } from './subscribe.ts'
