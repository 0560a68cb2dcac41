export type { Untyped } from '@aegis/log'
export type { Message, OutgoingMessage, PublishResult, PubSubErrorCode, PubSubTransaction } from './pubsub.ts'
export { PubSub } from './pubsub.ts'
