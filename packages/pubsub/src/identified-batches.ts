import type { Log, OutgoingRecord, TopicDescription } from '@aegis/log'
import type { IdentifiedPosition, IdentifiedReceipt, MessageIds } from './message-ids.ts'

interface Waiting {
  readonly topic: TopicDescription
  readonly record: OutgoingRecord
  readonly messageId: string
  resolve(position: IdentifiedPosition): void
  reject(error: unknown): void
}

// A transaction for each message costs a snapshot for each. The cluster's limit is 1,000 writes a transaction, two a message.
const mostTogether = 200

/** Publishes messages with ids, one transaction after the other, each with all that wait. */
export class IdentifiedBatches {
  readonly #log: Log
  readonly #messageIds: MessageIds
  readonly #waiting: Waiting[] = []
  #publishing = false

  constructor(log: Log, messageIds: MessageIds) {
    this.#log = log
    this.#messageIds = messageIds
  }

  publish(topic: TopicDescription, record: OutgoingRecord, messageId: string): Promise<IdentifiedPosition> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, record, messageId, resolve, reject })
      if (this.#publishing) return
      this.#publishing = true
      // One turn later: what is published in this turn goes together.
      queueMicrotask(() => void this.#publishAll())
    })
  }

  async #publishAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#publishTogether(this.#waiting.splice(0, mostTogether))
    this.#publishing = false
  }

  async #publishTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const receipts = await this.#log.transaction(async tx => {
        const written = new Map<string, { readonly messages: Waiting[]; receipt?: IdentifiedReceipt }>()
        for (const message of batch) {
          const { name } = message.topic
          const group = written.get(name)
          if (group === undefined) written.set(name, { messages: [message] })
          else group.messages.push(message)
        }
        for (const group of written.values()) {
          group.receipt = await this.#messageIds.append(tx, group.messages[0]!.topic, group.messages)
        }
        return written
      })
      for (const { messages, receipt } of receipts.values()) {
        const positions = receipt!.positions
        for (const [at, { resolve }] of messages.entries()) resolve(positions[at]!)
      }
    } catch (error) {
      const [only] = batch
      if (batch.length === 1) only!.reject(error)
      // One of them may be what is wrong: then it fails alone.
      else for (const message of batch) await this.#publishTogether([message])
    }
  }
}
