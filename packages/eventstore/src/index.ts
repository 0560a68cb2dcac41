export { AggregateRoot } from './aggregate-root.ts'
export { Event, type EventInput, type StoredEvent } from './event.ts'
export {
  EventStore,
  type AppendEventsOptions,
  type EventStoreErrorCode,
  type EventSubscription,
  type SubscribeEventsOptions,
} from './event-store.ts'
