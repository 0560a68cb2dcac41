export { PubSub } from './pubsub.ts'
export type { Message, OutgoingMessage, PublishResult, PubSubErrorCode, PubSubTransaction, Untyped } from './pubsub.ts'
