import type { ProducerBatch } from '@aegis/log'
import { AegisError } from '@aegis/storage'

// What this log does not do; its `capabilities` say so.

/** @throws AegisError `LOG_INVALID` when a producer is given */
export function refuseProducer(producer: ProducerBatch | undefined): void {
  if (producer === undefined) return
  throw new AegisError(
    'LOG_INVALID',
    'producer: a log on JetStream does not recognise repeated appends (capabilities.repeats): leave it out',
  )
}
