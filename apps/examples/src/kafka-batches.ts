// Records are stored, and can be exchanged, in Apache Kafka's record batch format (version 2).
import { decodeRecordBatch, encodeRecordBatch } from '@aegis/log'

const timestamp = Date.UTC(2026, 0, 1)
const records = [
  { key: Buffer.from('order-123'), value: Buffer.from('{"amount":5}'), timestamp },
  { value: Buffer.from('no key'), headers: [{ key: 'unit', value: Buffer.from('g') }], timestamp: timestamp + 1 },
]
const bytes = encodeRecordBatch(records, { baseOffset: 42 })

const text = (field: Uint8Array | null) => (field === null ? null : Buffer.from(field).toString())
for (const { offset, key, value, headers } of decodeRecordBatch(bytes).records) {
  const units = headers.map(header => `${header.key}=${text(header.value)}`)
  console.log(offset, text(key), text(value), units)
}
