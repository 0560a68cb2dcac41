export type { Message, OutgoingMessage, PublishResult, PubSubErrorCode, PubSubTransaction, Untyped } from './pubsub.ts'
export { PubSub } from './pubsub.ts'
