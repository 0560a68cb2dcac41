export { AggregateRoot } from './aggregate-root.ts'
export { Event, type EventInput, type StoredEvent } from './event.ts'
export {
  type AppendEventsOptions,
  EventStore,
  type EventStoreErrorCode,
  type EventSubscription,
  type SubscribeEventsOptions,
} from './event-store.ts'
