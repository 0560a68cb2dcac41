import type { Log, Untyped } from '@aegis/log'
import { type RunnableProcessor, type Stream, StreamProcessor } from '../../src/index.ts'
import { memoryLog, type Publication, publish } from './topics.ts'

/** Publishes the data to topic `in`, builds a processor from it, and runs it to the end of the input. */
export async function run(
  data: readonly Publication[],
  build: (source: Stream<Untyped, null>) => RunnableProcessor,
  partitions = 1,
): Promise<Log> {
  const log = await memoryLog()
  await log.createTopic('in', { partitions })
  await publish(log, 'in', ...data)
  const job = await build(new StreamProcessor(log, { id: 'test' }).source('in')).start()
  await job.drain()
  return log
}

export const payloads = (...all: readonly unknown[]): Publication[] =>
  all.map((payload, at) => ({ payload, timestamp: at }))
