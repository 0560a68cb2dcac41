import type { Receipt, Transaction, Untyped } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import { nameOf } from './known-topic.ts'
import type { DelayedMessage, OutgoingMessage } from './outgoing-message.ts'
import { type AnyTopic, checkedList, isDelayed, isPlain, type Publisher } from './publisher.ts'
import type { ScheduledMessage } from './schedule/schedules.ts'
import type { Topic } from './topic.ts'

/** Publishing inside a transaction: all of it becomes visible with the transaction, or nothing does. */
export interface PubSubTransaction {
  /** Offsets are known after the commit. @throws AegisError as `PubSub.publish` */
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: OutgoingMessage<NoInfer<In>> & { readonly messageId?: undefined },
  ): Receipt
  /** With a `messageId` it is to be awaited inside the transaction, for what is there already has to be read. */
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: OutgoingMessage<NoInfer<In>> & { readonly messageId: string },
  ): Promise<Receipt>
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: DelayedMessage<NoInfer<In>> & { readonly messageId?: undefined; readonly debounce?: undefined },
  ): ScheduledMessage
  /** As one with a `messageId`, which may also be one that is debounced. */
  publish<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    message: DelayedMessage<NoInfer<In>> & ({ readonly messageId: string } | { readonly debounce: string }),
  ): Promise<ScheduledMessage>
  /** Messages without `messageId`, that come into the topic now. @throws AegisError as `PubSub.publish` */
  publishMany<In = Untyped>(
    topic: string | Topic<In, Untyped>,
    messages: readonly (OutgoingMessage<NoInfer<In>> & { readonly messageId?: undefined })[],
  ): Receipt
}

/** Publishing inside a transaction of the log. */
export function publishWithin(tx: Transaction, publisher: Publisher): PubSubTransaction {
  function publish(topic: AnyTopic, message: OutgoingMessage | DelayedMessage): Untyped {
    // What does not read can be done at once, and need not be awaited.
    const once = message?.messageId !== undefined
    if (isDelayed(message)) {
      return once || message.debounce !== undefined
        ? awaited(publisher.scheduleKnown(tx, topic, message))
        : publisher.schedule(tx, topic, message)
    }
    return once ? awaited(publisher.appendOnce(tx, topic, [message])) : publisher.append(tx, topic, [message])
  }
  return {
    publish,
    publishMany(topic, messages) {
      const list = checkedList(nameOf(topic), messages)
      if (list.every(isPlain)) return publisher.append(tx, topic, list)
      throw new AegisError(
        'MESSAGE_INVALID',
        `publishMany on topic ${nameOf(topic)} in a transaction takes no messageId, deliverAt or delay: publish these one by one`,
      )
    },
  }
}

/** Who has not awaited it is told by the transaction, which fails; that it then fails as well is not to end the process. */
function awaited<T>(written: Promise<T>): Promise<T> {
  written.catch((error: unknown) => {
    if (!AegisError.is(error, 'TRANSACTION_STATE')) throw error
  })
  return written
}
