import type { Log } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { RunOptions, Subscription } from '@aegis/subscription'
import type { Message } from '../message.ts'
import type { SubscribeOptions } from '../subscribe.ts'
import { addressOf, encodeFailure, encodeReply, replyRetention, replyTopic } from './reply.ts'

/** Answers a request with the payload of the reply; what it throws is thrown to the requester. */
export type RespondHandler<Out> = (message: Message<Out>) => unknown

export interface RespondOptions<Out> extends Omit<SubscribeOptions<Out>, 'delivery' | 'autoCommit'>, RunOptions {}

/** Answers requests until it is closed. */
export interface Responder extends AsyncDisposable {
  /** Resolves when it is closed. @throws what ends the log */
  readonly done: Promise<void>
  /** Lets the handlers that run come to their end. */
  close(): Promise<void>
}

export async function startResponder<Out>(
  log: Log,
  subscribe: () => Promise<Subscription<Message<Out>>>,
  handler: RespondHandler<Out>,
  options: RunOptions,
): Promise<Responder> {
  if (typeof handler !== 'function') {
    throw new AegisError(
      'PUBSUB_INVALID',
      `the handler of respond is ${typeof handler}: give a function of the message`,
    )
  }
  const subscription = await subscribe()
  await log.createTopic(replyTopic, { retention: replyRetention })
  const done = subscription.run(async message => {
    const address = addressOf(message.record)
    try {
      const payload = await handler(message)
      if (address !== undefined) await log.appendOne(replyTopic, encodeReply(address, payload))
    } catch (error) {
      // Who asked decides whether to ask again. Of a message that nobody waits for it is an attempt as any other.
      if (address === undefined) throw error
      await log.appendOne(replyTopic, encodeFailure(address, error))
    }
  }, options)
  const close = async (): Promise<void> => {
    await subscription.close()
    await done
  }
  return { done, close, [Symbol.asyncDispose]: close }
}
