export { type EmmettEventStore, emmettEventStore } from './emmett-event-store.ts'
