import type { LogRecord } from '@aegis/log'
import type { Aggregation } from './aggregation.ts'
import type { Operator } from './operators/operator.ts'

/** What a processor does, from its source to its sink. */
export interface Topology {
  readonly source: string
  /** Default: by the codec of the source. */
  readonly decode?: (record: LogRecord) => unknown
  /** Up to the window, or to the sink if there is none. */
  readonly operators: readonly Operator[]
  readonly window?: { readonly size: number; readonly aggregation: Aggregation }
  /** Behind the aggregate. */
  readonly resultOperators: readonly Operator[]
  readonly sink: string
}

/** What of a topology must stay the same for stored state to make sense; functions cannot be compared. */
export function topologyShape({ source, operators, window, resultOperators, sink }: Topology): unknown {
  return {
    source,
    operators: operators.map(({ kind }) => kind),
    window: window === undefined ? null : { kind: 'tumbling', size: window.size, aggregate: window.aggregation.shape },
    results: resultOperators.map(({ kind }) => kind),
    sink,
  }
}
