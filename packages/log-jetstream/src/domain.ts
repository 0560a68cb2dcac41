import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import type { Features } from './features.ts'
import { Interrupted, type Patience } from './patience.ts'
import { RecentMessages } from './recent-messages.ts'
import { Replies } from './replies.ts'
import type { Subjects } from './subjects.ts'

export interface DomainParts {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly stream: string
  readonly subjects: Subjects
  readonly features: Features
  readonly replicas: number
  readonly patience: Patience
}

/** The one stream that all topics of an engine live in, and the connection to it. */
export class Domain {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly stream: string
  readonly subjects: Subjects
  readonly features: Features
  /** How many servers keep the stream. */
  readonly replicas: number
  readonly patience: Patience
  readonly replies: Replies
  readonly recent = new RecentMessages()
  readonly #onReconnect = new Set<() => void>()

  constructor(parts: DomainParts) {
    this.connection = parts.connection
    this.replies = new Replies(parts.connection)
    this.manager = parts.manager
    this.stream = parts.stream
    this.subjects = parts.subjects
    this.features = parts.features
    this.replicas = parts.replicas
    this.patience = parts.patience
  }

  /** Largest message, in bytes, with room for what goes with it. */
  get maxPayload(): number {
    return (this.connection.info?.max_payload ?? 1_048_576) - 4_096
  }

  /** Asks the leader for the sequence of the stream's last message. */
  async lastSequence(): Promise<number> {
    const { state } = await this.patience.request('asking for the end of the stream', () =>
      this.manager.streams.info(this.stream),
    )
    return state.last_seq
  }

  /** Calls back when a lost connection is there again; gives the function that ends it. */
  onReconnect(callback: () => void): () => void {
    this.#onReconnect.add(callback)
    return () => this.#onReconnect.delete(callback)
  }

  reconnected(): void {
    this.patience.interrupt()
    this.replies.fail(new Interrupted())
    for (const callback of this.#onReconnect) callback()
  }
}
