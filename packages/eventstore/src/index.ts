export { AggregateRoot } from './aggregate-root.ts'
export type { EventStoreErrorCode } from './errors.ts'
export { Event, type EventInput, type StoredEvent } from './event.ts'
export {
  type AppendEventsOptions,
  EventStore,
  type EventSubscription,
  type SubscribeEventsOptions,
} from './event-store.ts'
