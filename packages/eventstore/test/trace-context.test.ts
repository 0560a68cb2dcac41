import { openLog } from '@aegis/log'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { EventStore } from '../src/index.ts'
import { publish, startWorkflows } from '../src/workflows/index.ts'

const spans = new InMemorySpanExporter()
beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
})
afterAll(() => {
  for (const api of [context, propagation, trace]) api.disable()
})
beforeEach(() => spans.reset())

const traced = <T>(work: () => Promise<T>): Promise<{ result: T; traceId: string }> =>
  trace.getTracer('test').startActiveSpan('request', async span => {
    const result = await work()
    span.end()
    return { result, traceId: span.spanContext().traceId }
  })

it('events carry the trace in which they were appended, and their handlers go on with it', async () => {
  await using store = await EventStore.open({ memory: true })
  const { traceId } = await traced(() =>
    store.transaction(async events => {
      await events.append('a', { type: 'e', data: 1 })
      await events.append('a', { type: 'e', data: 2, metadata: { user: 'ada' } }, { correlationId: 'c' })
    }),
  )
  const [first, second] = await store.load('a')
  expect(first!.metadata).toEqual({ traceparent: expect.stringContaining(traceId) })
  expect(second!.metadata).toEqual({ user: 'ada', correlationId: 'c', traceparent: expect.stringContaining(traceId) })
  const subscription = await store.subscribe('a', { groupId: 'g', backoff: 0 })
  let failed = false
  await subscription.run(async ({ data }) => {
    expect(trace.getActiveSpan()?.spanContext().traceId).toBe(traceId)
    await store.append('b', { type: 'followed', data })
    if (data === 2) void subscription.close()
    if (failed) return
    failed = true
    throw new Error('once')
  })
  for (const { metadata } of await store.load('b')) expect(metadata['traceparent']).toContain(traceId)
  const processed = spans.getFinishedSpans().filter(({ name }) => name === 'process e')
  expect(processed.map(span => span.status.code)).toEqual([2, 0, 0])
  expect(new Set(processed.map(span => span.spanContext().traceId))).toEqual(new Set([traceId]))
})

it('what the user has said of the trace stays, and without one there is nothing', async () => {
  await using store = await EventStore.open({ memory: true })
  const own = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  await traced(() => store.append('a', { type: 'e', data: 1, metadata: own }))
  await traced(() => store.append('a', { type: 'e', data: 2 }, { metadata: own }))
  await store.append('a', { type: 'e', data: 3 })
  expect((await store.load('a')).map(({ metadata }) => metadata)).toEqual([own, own, {}])
})

it('what follows from an event in a workflow is of the same trace', async () => {
  await using log = await openLog({ memory: true })
  const store = new EventStore(log)
  await using workflows = await startWorkflows(store, [
    {
      name: 'echo',
      streams: 'in',
      correlate: () => 'one',
      initialState: () => 0,
      decide: ({ data }) => [publish('out', { type: 'Echoed', data })],
      evolve: state => state,
    },
  ])
  const { traceId } = await traced(() => store.append('in', { type: 'Asked', data: 1 }))
  await workflows.caughtUp('echo')
  expect((await store.load('out'))[0]!.metadata['traceparent']).toContain(traceId)
})
