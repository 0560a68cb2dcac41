export type { Untyped } from '@aegis/log'
export type { PubSubErrorCode } from './errors.ts'
export type { HistoryOptions } from './history.ts'
export type { Message, StoredMessage } from './message.ts'
export type { MessageFilter } from './message-filter.ts'
export type { DelayedMessage, OutgoingMessage, PublishResult } from './outgoing-message.ts'
export type { MessageSource, ObservableLike, PublishFromOptions } from './publish-from.ts'
export type { PublishLimitOptions } from './publish-limit.ts'
export { PubSub, type PubSubOptions } from './pubsub.ts'
export type { PubSubTransaction } from './pubsub-transaction.ts'
export type { RequestOptions } from './request-reply/requester.ts'
export type { Responder, RespondHandler, RespondOptions } from './request-reply/responder.ts'
export type { CatchUp } from './schedule/cron.ts'
export type {
  CronScheduleOptions,
  ListSchedulesOptions,
  ScheduleDescription,
  ScheduledMessage,
  Schedules,
} from './schedule/schedules.ts'
export type { Subscribed, SubscribeOptions } from './subscribe.ts'
export { type DefineTopicOptions, defineTopic, type Topic } from './topic.ts'
