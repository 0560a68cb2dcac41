export type { Untyped } from '@aegis/log'
export type { PubSubErrorCode } from './errors.ts'
export type { Message, OutgoingMessage, PublishResult, PubSubOptions, PubSubTransaction } from './pubsub.ts'
export { PubSub } from './pubsub.ts'
