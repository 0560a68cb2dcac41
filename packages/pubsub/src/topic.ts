import { type Codec, decodePayload, type LogRecord, type Readable, type TopicOptions } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { OutgoingMessage } from './outgoing-message.ts'
import { headerOf, reserved } from './reserved-headers.ts'

/** What `defineTopic` takes besides a schema: the settings with which the topic is created. */
export interface DefineTopicOptions<S extends StandardSchemaV1> extends TopicOptions {
  /** Of any library that implements Standard Schema (zod, valibot, arktype …). It must answer synchronously. */
  schema: S
  /** Of the schema, a whole number; written into a header of each message. Default 1, which is not written. */
  version?: number
  /** Makes of a payload of an older version one of this version, before it is validated. */
  upgrade?: (payload: unknown, version: number) => unknown
  /** The partition of messages that do not name one: 0 to `partitions` - 1. Default: that of the key, without a key in turn. */
  partitioner?: (message: OutgoingMessage<StandardSchemaV1.InferInput<S>>, partitions: number) => number
}

/**
 * A topic with the type of its payloads: `In` is what is published and stored, `Out` what consumers get. Taken wherever
 * a topic's name is.
 */
export interface Topic<In, Out> extends Readable<Out> {
  /** The settings with which `createTopic` makes it. */
  readonly options: TopicOptions
  /** Of the schema. */
  readonly version?: number
  /** @throws AegisError `SCHEMA_MISMATCH`, with the paths in `details.issues` */
  validate(payload: In): Out
  /** The validated payload, upgraded if it is of an older version; tombstones have none and are refused. @throws AegisError `SCHEMA_MISMATCH`, `PAYLOAD_INVALID` */
  decode(record: LogRecord): Out
  partitioner?(message: OutgoingMessage<In>, partitions: number): number
}

/**
 * Gives a topic a schema. Publishing validates and stores the schema's input; consuming validates again and yields its
 * output, so that data of an older program is seen, too.
 * @throws AegisError `PUBSUB_INVALID`
 */
export function defineTopic<S extends StandardSchemaV1>(
  name: string,
  { schema, version = 1, upgrade, partitioner, ...options }: DefineTopicOptions<S>,
): Topic<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>> {
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new AegisError(
      'PUBSUB_INVALID',
      `schema of topic ${name}: give one of a library that implements Standard Schema, such as zod or valibot`,
    )
  }
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new AegisError(
      'PUBSUB_INVALID',
      `version of topic ${name} is ${String(version)}: give a whole number of at least 1`,
    )
  }
  const codec: Codec = options.codec ?? 'json'
  const validate = (payload: unknown): StandardSchemaV1.InferOutput<S> => validated(schema, name, payload)
  const decode = (record: LogRecord): StandardSchemaV1.InferOutput<S> => {
    const payload = decodePayload(codec, record)
    if (upgrade === undefined) return validate(payload)
    const stored = Number(headerOf(record, reserved.version) ?? 1)
    return validate(stored < version ? upgrade(payload, stored) : payload)
  }
  return {
    topic: name,
    options,
    validate,
    decode,
    ...(version > 1 && { version }),
    ...(partitioner !== undefined && { partitioner }),
  }
}

/** What the schema makes of a payload. @throws AegisError `SCHEMA_MISMATCH`, `SCHEMA_ASYNC` */
export function validated<S extends StandardSchemaV1>(
  schema: S,
  topic: string,
  payload: unknown,
): StandardSchemaV1.InferOutput<S> {
  const result = schema['~standard'].validate(payload)
  if (result instanceof Promise) {
    throw new AegisError('SCHEMA_ASYNC', `the schema of topic ${topic} answers asynchronously: give one that does not`)
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ path, message }) => ({ path: pathText(path), message }))
  const shown = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')
  throw new AegisError('SCHEMA_MISMATCH', `a payload does not fit the schema of topic ${topic}: ${shown}`, {
    details: { topic, issues },
  })
}

/** Such as `address.lines[0]`. */
function pathText(path: StandardSchemaV1.Issue['path']): string {
  let text = ''
  for (const part of path ?? []) {
    const key = typeof part === 'object' ? part.key : part
    if (typeof key === 'number') text += `[${key}]`
    else text += text === '' ? String(key) : `.${String(key)}`
  }
  return text
}
