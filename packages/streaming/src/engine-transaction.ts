import type { CdcTransaction } from '@aegis/cdc'
import type { EventTransaction } from '@aegis/eventstore'
import type { Transaction } from '@aegis/log'
import type { PubSubTransaction } from '@aegis/pubsub'
import { acknowledge } from '@aegis/subscription'

/** What is written on the engine, inside a transaction: all of it becomes durable and visible in one commit, or nothing. */
export interface EngineTransaction extends Transaction {
  readonly publish: PubSubTransaction['publish']
  readonly publishMany: PubSubTransaction['publishMany']
  readonly cdc: CdcTransaction
  readonly events: EventTransaction
  /**
   * Acknowledges a message, change or event of a subscription with a group: it is done if the transaction commits.
   * @throws AegisError `ACK_UNKNOWN`
   */
  ack(item: object): void
}

/** The services inside one transaction. */
export interface TransactionServices {
  readonly pubsub: PubSubTransaction
  readonly cdc: CdcTransaction
  readonly events: EventTransaction
}

/**
 * Gives the log's transaction the engine's vocabulary. It stays the same object, so that packages which keep something
 * by transaction find it whichever way they were reached.
 */
export function gather(tx: Transaction, { pubsub, cdc, events }: TransactionServices): EngineTransaction {
  return Object.assign(tx, {
    publish: pubsub.publish.bind(pubsub),
    publishMany: pubsub.publishMany.bind(pubsub),
    cdc,
    events,
    ack: (item: object) => acknowledge(tx, item),
  })
}
