export type { SubscriptionErrorCode } from './errors.ts'
export type { Delivery, From, SubscriptionOptions } from './subscription.ts'
export { Subscription } from './subscription.ts'
