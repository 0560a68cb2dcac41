import { AegisError } from '@aegis/storage'
import { headKey } from '../../keys.ts'
import type { DecidedPosition, PositionCommit, Receipt, RecordPosition } from '../../log.ts'
import { decideAppend, type PreparedAppend, type PreparedRecord } from '../append.ts'
import type { GroupPositions } from '../group-positions.ts'
import { truncateHistory } from '../history/write.ts'
import { keyText, type Stage } from '../stage.ts'
import type { TopicState } from '../topic-state.ts'

const maxBytes = 16_000_000
const none: readonly PreparedRecord[] = []

interface Truncation {
  readonly topic: TopicState
  readonly key: Uint8Array
  readonly before: number
}

/** What a transaction is to write, until it is decided. */
export class TransactionWrites {
  readonly #groupPositions: GroupPositions
  #bytes = 0
  readonly #appends: { prepared: PreparedAppend; receipt: { positions?: readonly RecordPosition[] } }[] = []
  /** The records of keyed topics by key, in order: a transaction that reads what it has written does so for each message of many. */
  readonly #records = new Map<TopicState, Map<string, PreparedRecord[]>>()
  /** By the key of the head, the version below which its history is taken away. */
  readonly #truncated = new Map<string, Truncation>()
  /** Private keys with their values, by the text of the key; `undefined`: deleted. */
  readonly state = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array | undefined }>()
  readonly #positions: (PositionCommit | DecidedPosition)[] = []

  constructor(groupPositions: GroupPositions) {
    this.#groupPositions = groupPositions
  }

  append(prepared: PreparedAppend): Receipt {
    this.#grow(prepared.bytes)
    const receipt: { positions?: readonly RecordPosition[] } = {}
    this.#appends.push({ prepared, receipt })
    this.#index(prepared)
    const { name } = prepared.topic.config
    return {
      get positions() {
        if (receipt.positions !== undefined) return receipt.positions
        throw new AegisError(
          'TRANSACTION_STATE',
          `the positions of an append to ${name} are known after the commit: read them there`,
        )
      },
    }
  }

  /** `undefined` deletes it. */
  putState(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#grow(key.length + (value?.length ?? 0))
    this.state.set(keyText(key), { key, value })
  }

  truncateHistory(topic: TopicState, key: Uint8Array, before: number): void {
    const head = headKey(topic.config.id, key)
    this.#grow(head.length)
    const known = this.truncatedBelow(keyText(head)) ?? 0
    this.#truncated.set(keyText(head), { topic, key: new Uint8Array(key), before: Math.max(known, before) })
  }

  commitPosition(position: PositionCommit | DecidedPosition): void {
    if (!('decide' in position)) this.#groupPositions.check(position)
    this.#positions.push(position)
  }

  /** What of a keyed topic is appended, by the text of the key. */
  recordsOf(topic: TopicState): ReadonlyMap<string, readonly PreparedRecord[]> {
    return this.#records.get(topic) ?? new Map()
  }

  /** The records of one key, in order. */
  recordsOfKey(topic: TopicState, key: Uint8Array): readonly PreparedRecord[] {
    return this.#records.get(topic)?.get(keyText(key)) ?? none
  }

  /** Below which version a history is taken away, by the text of the key of its head. */
  truncatedBelow(head: string): number | undefined {
    return this.#truncated.get(head)?.before
  }

  /** Storage keys that the decision looks at. */
  get reads(): readonly Uint8Array[] {
    const truncated = Array.from(this.#truncated.values(), ({ topic, key }) => headKey(topic.config.id, key))
    return [...this.#appends.flatMap(({ prepared }) => prepared.reads), ...truncated]
  }

  decide(stage: Stage, now: number): void {
    for (const position of this.#positions) this.#groupPositions.fence(position)
    for (const { prepared, receipt } of this.#appends) receipt.positions = decideAppend(prepared, stage, now)
    for (const { topic, key, before } of this.#truncated.values()) truncateHistory(stage, topic, key, before)
    for (const { key, value } of this.state.values()) {
      if (value === undefined) stage.delete(key)
      else stage.put(key, value)
    }
    // Last, so that only another position can refuse what a position has decided.
    const decided: (PositionCommit | DecidedPosition)[] = []
    try {
      for (const position of this.#positions) {
        decided.push(position)
        this.#groupPositions.stage(position, stage)
      }
    } catch (error) {
      for (const position of decided) if ('decide' in position) position.refused?.()
      throw error
    }
  }

  /** It has not happened: the receipts know nothing. */
  refused(): void {
    for (const { receipt } of this.#appends) delete receipt.positions
  }

  #index({ topic, records }: PreparedAppend): void {
    if (topic.config.keyed === 'none') return
    let known = this.#records.get(topic)
    if (known === undefined) this.#records.set(topic, (known = new Map()))
    for (const record of records) {
      const id = keyText(record.key!)
      const before = known.get(id)
      if (before === undefined) known.set(id, [record])
      else before.push(record)
    }
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= maxBytes) return
    throw new AegisError(
      'TRANSACTION_TOO_LARGE',
      `the transaction writes more than ${maxBytes} bytes: make several of it`,
    )
  }
}
