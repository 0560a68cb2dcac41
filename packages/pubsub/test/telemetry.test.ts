import { acknowledge } from '@aegis/subscription'
import { context, metrics, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PubSub } from '../src/index.ts'
import { given } from './given.ts'

const spans = new InMemorySpanExporter()
const figures = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: figures, exportIntervalMillis: 2 ** 30 })
const meters = new MeterProvider({ readers: [reader] })

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  metrics.setGlobalMeterProvider(meters)
})
afterAll(async () => {
  await meters.shutdown()
  for (const api of [context, propagation, trace, metrics]) api.disable()
})
beforeEach(() => spans.reset())

/** The sums, counts or values of a metric, by the attributes that are asked for. */
async function metric(name: string, attribute: string): Promise<Record<string, number>> {
  await reader.forceFlush()
  const found: Record<string, number> = {}
  const all = figures
    .getMetrics()
    .at(-1)!
    .scopeMetrics.flatMap(scope => scope.metrics)
  for (const { descriptor, dataPoints } of all) {
    if (descriptor.name !== name) continue
    for (const { attributes, value } of dataPoints) {
      found[String(attributes[attribute])] = typeof value === 'number' ? value : value.count
    }
  }
  return found
}

describe('with an OpenTelemetry SDK', () => {
  it('the context goes with the message from who publishes it to the spans of the handler', async () => {
    await using g = await given()
    await g.pubsub.createTopic('spans')
    const subscription = await g.pubsub.subscribe('spans', { groupId: 'g', backoff: 0 })
    const tracer = trace.getTracer('test')
    await tracer.startActiveSpan('request', async span => {
      await g.pubsub.publish('spans', { key: 'k', payload: 1, messageId: 'm', headers: { mine: 'x' } })
      span.end()
    })
    await subscription.run(async message => {
      expect({ ...message.headers }).toEqual({ mine: 'x', traceparent: expect.stringContaining('00-') })
      await Promise.resolve()
      tracer.startSpan('work').end()
      if (message.attempts === 1) throw new RangeError('once more')
      void subscription.close()
    })
    const all = spans.getFinishedSpans()
    const named = (name: string) => all.filter(span => span.name === name)
    const [request, published] = [named('request')[0]!, named('publish spans')[0]!]
    const [failed, processed] = named('process spans')
    expect(new Set(all.map(span => span.spanContext().traceId)).size).toBe(1)
    expect(published.parentSpanContext?.spanId).toBe(request.spanContext().spanId)
    expect(published).toMatchObject({
      kind: 3,
      attributes: {
        'messaging.system': 'aegis',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'spans',
      },
    })
    for (const span of [failed!, processed!]) {
      expect(span.parentSpanContext?.spanId).toBe(published.spanContext().spanId)
      expect(span.links.map(link => link.context.spanId)).toEqual([published.spanContext().spanId])
    }
    expect(processed).toMatchObject({
      kind: 4,
      attributes: {
        'messaging.consumer.group.name': 'g',
        'messaging.message.id': 'm',
        'messaging.destination.partition.id': '0',
      },
    })
    expect(failed).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'RangeError' } })
    expect(named('work').map(span => span.parentSpanContext?.spanId)).toEqual(
      [failed!, processed!].map(span => span.spanContext().spanId),
    )
  })

  it('a loop has a span for each message, from when it is handed over until it is settled, or the loop has gone on or ended', async () => {
    await using g = await given()
    await g.pubsub.createTopic('loop')
    for (const payload of ['ack', 'nack', 'tx', 'left']) await g.pubsub.publish('loop', { payload })
    const options = { groupId: 'g', from: 'earliest', maxAttempts: 1 } as const
    const open: string[] = []
    let count = 0
    for await (const message of await g.pubsub.subscribe('loop', options)) {
      open.push(`${message.payload} ${processed().length}`)
      if (message.payload === 'ack') message.ack()
      if (message.payload === 'nack') message.nack({ reason: 'no good' })
      if (message.payload === 'tx') await g.log.transaction(tx => acknowledge(tx, message))
      if (++count === 4) break
    }
    // The one before has ended when the next is handed over, and the one that was left when the loop was.
    expect(open).toEqual(['ack 0', 'nack 1', 'tx 2', 'left 3'])
    const [acked, refused, inTransaction, left] = processed()
    const sent = spans.getFinishedSpans().filter(({ name }) => name === 'publish loop')
    for (const [at, span] of [acked!, refused!, inTransaction!, left!].entries()) {
      const publisher = sent[at]!.spanContext()
      expect(span).toMatchObject({ kind: 4, parentSpanContext: { spanId: publisher.spanId } })
      expect(span.links.map(({ context: { spanId } }) => spanId)).toEqual([publisher.spanId])
    }
    expect(refused).toMatchObject({ status: { code: 2, message: 'no good' } })
    for (const span of [acked!, inTransaction!, left!]) expect(span.status.code).toBe(0)
    // Without a group nothing need be said.
    spans.reset()
    let seen = 0
    for await (const _ of await g.pubsub.subscribe('loop', { from: 'earliest' })) {
      expect(processed().length).toBe(seen++)
      if (seen === 3) break
    }
    expect(processed().length).toBe(3)

    function processed() {
      return spans.getFinishedSpans().filter(({ name }) => name === 'process loop')
    }
  })

  it('a context that was given stays, and transactions and delayed messages carry theirs', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const theirs = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    await g.pubsub.publish('t', { payload: 'given', headers: { traceparent: theirs } })
    const traceId = await trace.getTracer('test').startActiveSpan('outer', async span => {
      await g.log.transaction(tx => g.pubsub.within(tx).publish('t', { payload: 'tx' }))
      await g.pubsub.publish('t', { payload: 'later', delay: 1 })
      g.clock.pass(1)
      await g.pubsub.runMaintenance()
      span.end()
      return span.spanContext().traceId
    })
    const [first, second, third] = await g.pubsub.history('t')
    expect(first!.headers['traceparent']).toBe(theirs)
    expect(second!.headers['traceparent']).toContain(traceId)
    expect(third!.headers['traceparent']).toContain(traceId)
  })

  it('counts what is published, consumed, delivered again and behind, and times commits and handlers', async () => {
    await using g = await given()
    await g.pubsub.createTopic('counted')
    const subscription = await g.pubsub.subscribe('counted', { groupId: 'g', backoff: 0 })
    await g.pubsub.publishMany('counted', [{ payload: 1 }, { payload: 2 }])
    await g.pubsub.publish('counted', { payload: 3 })
    await expect(g.pubsub.publish('counted', { payload: 1n })).rejects.toThrow()
    expect((await metric('aegis.consumer.lag', 'messaging.destination.name'))['counted']).toBe(3)
    await subscription.run(
      ({ payload, attempts }) => {
        if (payload === 2 && attempts === 1) throw new Error('once more')
        if (payload === 3) void subscription.close()
      },
      { order: 'partition' },
    )
    const poisoned = await g.pubsub.subscribe('counted', { groupId: 'g', maxAttempts: 1 })
    await g.pubsub.publish('counted', { payload: 4 })
    const letters = poisoned.status()
    const running = poisoned.run(() => {
      throw new Error('poison')
    })
    for await (const { type } of letters) if (type === 'dead-lettered') void poisoned.close()
    await running
    const of = async (name: string) => (await metric(name, 'messaging.destination.name'))['counted']
    expect(await of('aegis.consumer.dead_letter.messages')).toBe(1)
    expect(await of('messaging.client.sent.messages')).toBe(4)
    expect(await of('messaging.client.consumed.messages')).toBe(5)
    expect(await of('aegis.consumer.redelivered.messages')).toBe(1)
    expect(await metric('messaging.client.operation.duration', 'error.type')).toMatchObject({ PAYLOAD_INVALID: 1 })
    expect(await metric('messaging.process.duration', 'error.type')).toMatchObject({ Error: 2 })
  })
})

it('without one nothing of it is there: no headers, no spans', async () => {
  for (const api of [context, propagation, trace, metrics]) api.disable()
  await using pubsub = await PubSub.open({ memory: true })
  await pubsub.createTopic('t')
  await pubsub.publish('t', { payload: 1 })
  expect((await pubsub.history('t'))[0]!.record.headers).toEqual([])
  expect(spans.getFinishedSpans()).toEqual([])
})
