import { createRequire } from 'node:module'
import { AegisError } from '@aegis/storage'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BatchRecordInput, decodeRecordBatch, encodeRecordBatch, type RecordBatchOptions } from '../src/index.ts'

const require = createRequire(import.meta.url)
const { RecordBatch: encodeWithKafkajs } = require('kafkajs/src/protocol/recordBatch/v0/index.js')
const encodeRecordWithKafkajs = require('kafkajs/src/protocol/recordBatch/record/v0/index.js')
const decodeWithKafkajs = require('kafkajs/src/protocol/recordBatch/v0/decoder.js')
const KafkajsDecoder = require('kafkajs/src/protocol/decoder.js')

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The code and message of what `run` throws; fails when it is no `AegisError`. */
function failure(run: () => unknown): { code: string; message: string } | undefined {
  try {
    run()
  } catch (error) {
    if (!AegisError.is(error)) throw error
    return { code: error.code, message: error.message }
  }
  return undefined
}

function expectInvalid(batch: Uint8Array, message: RegExp = /./): void {
  const failed = failure(() => decodeRecordBatch(batch))
  expect(failed).toEqual({ code: 'BATCH_INVALID', message: expect.stringMatching(message) })
}

/** A copy with `change` done to it and the checksum made right again. */
function altered(batch: Uint8Array, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch)
  change(copy)
  copy.writeUInt32BE(crc32c(copy.subarray(21)), 17)
  return copy
}

/** A batch with these bytes as its records. */
function batchOf(count: number, lastOffsetDelta: number, ...records: number[][]): Buffer {
  const head = encodeRecordBatch([{ value: null, timestamp: 1000 }], { baseOffset: 5 }).subarray(0, 61)
  return altered(Buffer.concat([head, Buffer.from(records.flat())]), copy => {
    copy.writeInt32BE(copy.length - 12, 8)
    copy.writeInt32BE(lastOffsetDelta, 23)
    copy.writeInt32BE(count, 57)
  })
}

const payload = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null })
const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
  fc.integer({ min: -1, max: 100 }),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 31, 2 ** 32, -(2 ** 31), 8.64e15),
)
const headers = fc.array(
  fc.record({ key: fc.oneof(fc.constantFrom('', 'a', 'trace'), fc.string({ unit: 'binary' })), value: payload }),
  { maxLength: 6 },
)
const gap = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100_000_000 }))
const batch = fc
  .record({
    baseOffset: fc.oneof(fc.constant(0), fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2 ** 31 })),
    producerId: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    producerEpoch: fc.integer({ min: -1, max: 0x7fff }),
    baseSequence: fc.integer({ min: -1, max: 0x7fffffff }),
    records: fc.array(fc.record({ key: payload, value: payload, headers, timestamp, gap }), {
      minLength: 1,
      maxLength: 15,
    }),
  })
  .map(({ records, baseOffset, ...producer }) => {
    let offset = baseOffset - 1
    return {
      options: { baseOffset, ...producer },
      records: records.map(({ gap, ...record }) => ({ ...record, offset: (offset += gap) })),
    }
  })

describe('round trip', () => {
  it('gives back records, offsets and producer as they were', () => {
    fc.assert(
      fc.property(batch, ({ records, options }) => {
        const decoded = decodeRecordBatch(encodeRecordBatch(records, options))
        expect(decoded).toMatchObject({
          ...options,
          lastOffset: records.at(-1)!.offset,
          firstTimestamp: records[0]!.timestamp,
          maxTimestamp: Math.max(...records.map(record => record.timestamp)),
          count: records.length,
        })
        expect(decoded.records).toEqual(records)
        expect(decoded.records).toBe(decoded.records)
      }),
      { numRuns: 500 },
    )
  })

  it('numbers records from the base offset when they name none', () => {
    const records: BatchRecordInput[] = [1, 2, 3].map(timestamp => ({ value: bytes('v'), timestamp }))
    const decoded = decodeRecordBatch(encodeRecordBatch(records, { baseOffset: 40 }))
    expect(decoded.records.map(record => record.offset)).toEqual([40, 41, 42])
    expect(decoded).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 })
    expect(decoded.records[0]).toEqual({ offset: 40, timestamp: 1, key: null, value: bytes('v'), headers: [] })
  })

  it('reads a batch that lies within other bytes', () => {
    const encoded = encodeRecordBatch([{ key: bytes('k'), value: bytes('v'), timestamp: 1 }], { baseOffset: 0 })
    const around = Buffer.concat([Buffer.alloc(13, 1), encoded, Buffer.alloc(9, 2)])
    expect(decodeRecordBatch(around.subarray(13, 13 + encoded.length)).records[0]!.key).toEqual(bytes('k'))
  })

  it('writes the layout of RecordBatch v2', () => {
    const encoded = encodeRecordBatch(
      [{ key: bytes('k'), value: null, headers: [{ key: 'h', value: null }], timestamp: 258 }],
      { baseOffset: 3, producerId: 4, producerEpoch: 5, baseSequence: 6 },
    )
    const fields = [
      '0000000000000003', // base offset
      '0000003c', // batch length
      'ffffffff', // partition leader epoch
      '02', // magic
      crc32c(encoded.subarray(21)).toString(16).padStart(8, '0'),
      '0000', // attributes
      '00000000', // last offset delta
      '0000000000000102', // first timestamp
      '0000000000000102', // max timestamp
      '0000000000000004', // producer id
      '0005', // producer epoch
      '00000006', // base sequence
      '00000001', // count
      '14' + '00' + '00' + '00' + '026b' + '01' + '02' + '0268' + '01',
    ]
    expect(Buffer.from(encoded).toString('hex')).toBe(fields.join(''))
  })
})

const sample = encodeRecordBatch(
  [
    {
      key: bytes('key'),
      value: bytes('value'),
      headers: [
        { key: 'h', value: bytes('1') },
        { key: 'h', value: null },
      ],
      timestamp: 1e12,
    },
    { key: null, value: null, timestamp: 1e12 + 5, offset: 300 },
  ],
  { baseOffset: 100 },
)

describe('damage', () => {
  it('is refused in every byte that the checksum or the length covers', () => {
    for (let at = 0; at < sample.length; at++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const flipped = Buffer.from(sample)
        flipped[at]! ^= mask
        const outside = at < 8 || (at >= 12 && at < 16)
        if (!outside) expectInvalid(flipped)
        else if (failure(() => decodeRecordBatch(flipped)) === undefined) {
          const values = decodeRecordBatch(flipped).records.map(({ offset, ...record }) => record)
          expect(values).toEqual(decodeRecordBatch(sample).records.map(({ offset, ...record }) => record))
        } else {
          expect(at).toBeLessThan(8)
          expectInvalid(flipped, /offset/)
        }
      }
    }
  })

  it('is refused when truncated at any byte', () => {
    for (let length = 0; length < sample.length; length++) expectInvalid(sample.subarray(0, length), /truncated/)
  })

  it('is refused when cut at any byte by one who corrects length and checksum', () => {
    for (let length = 61; length < sample.length; length++) {
      expectInvalid(altered(sample.subarray(0, length), copy => copy.writeInt32BE(length - 12, 8)))
    }
  })

  it('in the records never throws anything but BATCH_INVALID, nor later than on decode', () => {
    fc.assert(
      fc.property(fc.integer({ min: 21, max: sample.length - 1 }), fc.nat(255), (at, byte) => {
        const copy = altered(sample, bytes => (bytes[at] = byte))
        let decoded
        try {
          decoded = decodeRecordBatch(copy)
        } catch (error) {
          expect(AegisError.is(error, 'BATCH_INVALID')).toBe(true)
          return
        }
        expect(decoded.records.length).toBe(decoded.count)
      }),
      { numRuns: 3000 },
    )
  })

  // Length, attributes, timestamp delta, offset delta, key length, value length, header count.
  const good = [12, 0, 0, 0, 1, 1, 0]

  it.each<[string, Buffer, RegExp]>([
    ['trailing bytes', Buffer.concat([sample, Buffer.alloc(1)]), /1 trailing bytes/],
    ['trailing bytes within the length', batchOf(1, 0, good, [0]), /trailing/],
    ['a too small length', altered(sample, copy => copy.writeInt32BE(48, 8)), /too small/],
    ['a negative length', altered(sample, copy => copy.writeInt32BE(-1, 8)), /too small/],
    ['another magic', altered(sample, copy => (copy[16] = 1)), /magic is 1/],
    ['another crc', Buffer.from(sample).fill(0, 17, 21), /crc/],
    ['compression', altered(sample, copy => copy.writeInt16BE(1, 21)), /compressed/],
    ['a control batch', altered(sample, copy => copy.writeInt16BE(0x30, 21)), /control/],
    ['a negative base offset', altered(sample, copy => copy.writeInt32BE(-1, 0)), /base offset/],
    ['a base offset beyond 2^53', altered(sample, copy => copy.writeInt32BE(0x200000, 0)), /base offset/],
    ['a last offset beyond 2^53', altered(sample, copy => copy.writeBigInt64BE(2n ** 53n - 1n, 0)), /last offset/],
    ['a negative last offset delta', batchOf(1, -1, good), /last offset delta/],
    ['a timestamp beyond 2^53', altered(sample, copy => copy.writeBigInt64BE(2n ** 60n, 27)), /first timestamp/],
    ['a negative count', batchOf(-1, 0, good), /count is negative/],
    ['too many records', batchOf(0x7fffffff, 0, good), /2147483647 records do not fit/],
    ['fewer records than bytes', batchOf(0, 0, good), /trailing/],
    ['a negative record length', batchOf(1, 0, [1, 0, 0, 0, 1, 1, 0]), /record length is negative/],
    ['a record length past the end', batchOf(1, 0, [14, 0, 0, 0, 1, 1, 0]), /record length goes past/],
    ['a record that is longer than its fields', batchOf(1, 0, [14, 0, 0, 0, 1, 1, 0, 0]), /record 0 has 1 trailing/],
    ['fields past the end of their record', batchOf(1, 0, [10, 0, 0, 0, 1, 1, 0]), /header count goes past/],
    ['a key length below -1', batchOf(1, 0, [12, 0, 0, 0, 3, 1, 0]), /key length is negative/],
    ['a key past the end', batchOf(1, 0, [12, 0, 0, 0, 6, 1, 0]), /key length goes past/],
    ['a value length below -1', batchOf(1, 0, [12, 0, 0, 0, 1, 3, 0]), /value length is negative/],
    ['a value past the end', batchOf(1, 0, [12, 0, 0, 0, 1, 4, 0]), /value length goes past/],
    ['a negative header count', batchOf(1, 0, [12, 0, 0, 0, 1, 1, 1]), /header count is negative/],
    ['too many headers', batchOf(1, 0, [16, 0, 0, 0, 1, 1, 4, 0, 1]), /2 headers do not fit/],
    ['a header key of null', batchOf(1, 0, [16, 0, 0, 0, 1, 1, 2, 1, 1]), /header key length is negative/],
    ['a header key that is not UTF-8', batchOf(1, 0, [18, 0, 0, 0, 1, 1, 2, 2, 0xff, 1]), /UTF-8/],
    ['a header value past the end', batchOf(1, 0, [16, 0, 0, 0, 1, 1, 2, 0, 2]), /header value length goes past/],
    ['a varint beyond 32 bits', batchOf(1, 0, [0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0]), /longer than 32 bits/],
    ['a varint of six bytes', batchOf(1, 0, [0x80, 0x80, 0x80, 0x80, 0x80, 0, 0]), /longer than 32 bits/],
    ['a delta of 11 bytes', batchOf(1, 0, [32, 0, ...Array<number>(10).fill(0x80), 0, 0, 1, 1, 0]), /64 bits/],
    ['a delta beyond 64 bits', batchOf(1, 0, [30, 0, ...Array<number>(9).fill(0xff), 2, 0, 1, 1, 0]), /64 bits/],
    [
      'a record timestamp beyond 2^53',
      batchOf(1, 0, [30, 0, ...Array<number>(9).fill(0xff), 1, 0, 1, 1, 0]),
      /timestamp/,
    ],
    ['the same offset twice', batchOf(2, 1, good, good), /out of order/],
    ['a negative offset delta', batchOf(1, 0, [12, 0, 0, 1, 1, 1, 0]), /out of order/],
    ['an offset past the last', batchOf(1, 0, [12, 0, 0, 2, 1, 1, 0]), /out of order/],
  ])('is refused: %s', (_name, batch, message) => expectInvalid(batch, message))

  it('is not seen in what Kafka allows: no records, a last offset without a record, append time', () => {
    expect(decodeRecordBatch(batchOf(0, 7))).toMatchObject({ lastOffset: 12, count: 0, records: [] })
    expect(decodeRecordBatch(batchOf(1, 7, good))).toMatchObject({ lastOffset: 12, count: 1 })
    const appendTime = altered(sample, copy => {
      copy.writeInt16BE(8, 21)
      copy.writeBigInt64BE(77n, 35)
    })
    expect(decodeRecordBatch(appendTime).records.map(record => record.timestamp)).toEqual([77, 77])
  })
})

describe('what a batch cannot hold', () => {
  const one: BatchRecordInput = { value: null, timestamp: 0 }

  it.each<[string, BatchRecordInput[], RecordBatchOptions]>([
    ['no records', [], { baseOffset: 0 }],
    ['a negative base offset', [one], { baseOffset: -1 }],
    ['a fraction as timestamp', [{ value: null, timestamp: 0.5 }], { baseOffset: 0 }],
    ['no number as timestamp', [{ value: null, timestamp: Number.NaN }], { baseOffset: 0 }],
    ['an offset below the base', [{ ...one, offset: 4 }], { baseOffset: 5 }],
    [
      'the same offset twice',
      [
        { ...one, offset: 5 },
        { ...one, offset: 5 },
      ],
      { baseOffset: 5 },
    ],
    ['an offset too far from the base', [{ ...one, offset: 2 ** 31 }], { baseOffset: 0 }],
    ['offsets beyond 2^53', [one, one], { baseOffset: Number.MAX_SAFE_INTEGER }],
    ['a lone surrogate as header key', [{ ...one, headers: [{ key: '\ud800', value: null }] }], { baseOffset: 0 }],
    ['a producer epoch beyond 16 bits', [one], { baseOffset: 0, producerEpoch: 0x8000 }],
    ['a sequence beyond 32 bits', [one], { baseOffset: 0, baseSequence: 2 ** 31 }],
    ['a producer id below -1', [one], { baseOffset: 0, producerId: -2 }],
  ])('is refused: %s', (_name, records, options) => {
    expect(failure(() => encodeRecordBatch(records, options))?.code).toBe('LOG_INVALID')
  })
})

describe('kafkajs', () => {
  it('reads what is written here', async () => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ records, options }) => {
        const decoded = await decodeWithKafkajs(new KafkajsDecoder(Buffer.from(encodeRecordBatch(records, options))))
        expect(decoded).toMatchObject({
          firstOffset: String(options.baseOffset),
          lastOffsetDelta: records.at(-1)!.offset - options.baseOffset,
          firstTimestamp: String(records[0]!.timestamp),
          producerId: String(options.producerId),
          producerEpoch: options.producerEpoch,
          firstSequence: options.baseSequence,
          partitionLeaderEpoch: -1,
        })
        expect(decoded.records.length).toBe(records.length)
        for (const [i, { offset, timestamp, key, value, headers }] of records.entries()) {
          const other = decoded.records[i]
          expect([other.offset, other.timestamp]).toEqual([String(offset), String(timestamp)])
          expect([other.key, other.value]).toEqual([key && Buffer.from(key), value && Buffer.from(value)])
          // It gathers the values of a key in a plain object, so that valueOf, __proto__ and the like go wrong there.
          for (const name of new Set(headers.map(header => header.key))) {
            if (name in Object.prototype) continue
            const values = headers.filter(header => header.key === name).map(({ value }) => value && Buffer.from(value))
            expect([other.headers[name]].flat()).toEqual(values)
          }
        }
      }),
    )
  })

  it('writes what is read here', async () => {
    const kafkajsPayload = fc.option(
      fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
      { nil: null },
    )
    const record = fc.record({
      key: kafkajsPayload,
      value: kafkajsPayload,
      later: fc.oneof(fc.nat(1000), fc.nat(2_000_000_000)),
      gap: fc.integer({ min: 1, max: 1000 }),
      values: fc.array(
        fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes)),
        { maxLength: 3 },
      ),
    })
    const timestamps = fc.integer({ min: 0, max: 2_000_000_000_000 })
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 10 }), timestamps, async (records, first) => {
        let delta = -1
        const placed = records.map(record => ({ ...record, delta: (delta += record.gap) }))
        const encoder = await encodeWithKafkajs({
          firstOffset: 900,
          firstTimestamp: first,
          maxTimestamp: first + Math.max(...records.map(record => record.later)),
          lastOffsetDelta: delta,
          producerId: 12,
          producerEpoch: 3,
          firstSequence: 44,
          records: placed.map(({ key, value, later, delta, values }) =>
            encodeRecordWithKafkajs({
              offsetDelta: delta,
              timestampDelta: later,
              key,
              value,
              headers: { größe: values },
            }),
          ),
        })
        const decoded = decodeRecordBatch(encoder.buffer)
        expect(decoded).toMatchObject({ baseOffset: 900, lastOffset: 900 + delta, firstTimestamp: first })
        expect(decoded).toMatchObject({ count: records.length, producerId: 12, producerEpoch: 3, baseSequence: 44 })
        expect(decoded.records).toEqual(
          placed.map(({ key, value, later, delta, values }) => ({
            offset: 900 + delta,
            timestamp: first + later,
            key: key && new Uint8Array(key),
            value: value && new Uint8Array(value),
            headers: values.map(value => ({ key: 'größe', value: new Uint8Array(value) })),
          })),
        )
      }),
    )
  })

  it('writes the same bytes', async () => {
    const encoder = await encodeWithKafkajs({
      partitionLeaderEpoch: -1,
      firstOffset: 10,
      firstTimestamp: 1e12,
      maxTimestamp: 1e12 + 9,
      lastOffsetDelta: 1,
      producerEpoch: -1,
      firstSequence: -1,
      records: [
        encodeRecordWithKafkajs({ key: Buffer.from('a'), value: Buffer.from('b'), headers: { h: Buffer.from('c') } }),
        encodeRecordWithKafkajs({ offsetDelta: 1, timestampDelta: 9, key: null, value: null }),
      ],
    })
    const own = encodeRecordBatch(
      [
        { key: bytes('a'), value: bytes('b'), headers: [{ key: 'h', value: bytes('c') }], timestamp: 1e12 },
        { value: null, timestamp: 1e12 + 9 },
      ],
      { baseOffset: 10 },
    )
    expect(Buffer.from(own).toString('hex')).toBe(encoder.buffer.toString('hex'))
  })
})
