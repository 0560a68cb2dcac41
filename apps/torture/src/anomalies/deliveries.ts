import type { Anomaly, Handed, History, Settled } from '../history.ts'
import { lease, outputOf, topics } from '../topics.ts'

const nameOf = ({ group, value }: Settled): string => `${group} ${value}`

/** When something was said of a message. */
interface Said {
  readonly at: number
  readonly process: string
}

/** Names of processes begin with that of their run. */
const runOf = ({ process }: { readonly process: string }): string => process.split('.')[0]!

const grouped = <T extends { readonly name: string }>(list: readonly T[]): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of list) groups.set(item.name, [...(groups.get(item.name) ?? []), item])
  return groups
}

/** What is wrong with what subscriptions were handed: too often, too early, again after it was done, or never. */
export function* deliveryAnomalies({ operations, final }: History): Generator<Anomaly> {
  const handed: (Handed & Said & { readonly name: string })[] = []
  const acknowledged = new Set<string>()
  const refused: (Said & { readonly name: string })[] = []
  const left: (Said & { readonly name: string })[] = []
  const durable = new Map<string, Said>()
  /** When each run was heard of first. */
  const began = new Map<string, number>()
  for (const operation of operations) {
    const { start: at, end, process, outcome } = operation
    if (!began.has(runOf(operation))) began.set(runOf(operation), at)
    for (const message of operation.handed) handed.push({ ...message, at, process, name: nameOf(message) })
    for (const message of operation.acknowledged) acknowledged.add(nameOf(message))
    for (const message of operation.refused) refused.push({ at, process, name: nameOf(message) })
    for (const group of operation.left) left.push({ at, process, name: group })
    if (outcome !== 'ok') continue
    for (const message of operation.committedAcknowledgements) {
      const before = durable.get(nameOf(message))
      if (before === undefined || end < before.at) durable.set(nameOf(message), { at: end, process })
    }
  }
  /** What a process has fetched before it was stopped it may hand over when another, that runs beside it, has gone on with it. */
  const isAfter = (next: Said, said: Said): boolean =>
    next.at > said.at && (runOf(next) === runOf(said) || (began.get(runOf(next)) ?? 0) > said.at)
  const refusals = grouped(refused)
  const departures = grouped(left)
  for (const [name, deliveries] of grouped(handed)) {
    const done = durable.get(name)
    for (const [n, next] of deliveries.entries()) {
      if (done !== undefined && isAfter(next, done)) {
        yield {
          name: 'acknowledgement-lost',
          example: `${name} was handed over again to ${next.process} after its acknowledgement was durable`,
        }
      }
      const before = deliveries[n - 1]
      if (before === undefined) continue
      const successive = isAfter(next, before)
      const between = ({ at }: Said): boolean => at > before.at && at < next.at
      const free =
        refusals.get(name)?.some(between) === true ||
        departures.get(next.group)?.some(said => said.process === before.process && between(said)) === true
      yield* repeated(before, next, { free, successive })
    }
  }
  yield* lost(final, acknowledged)
}

/** `free`: whoever had it has given it back. `successive`: the second did not run beside the first. */
function* repeated(
  before: Handed,
  next: Handed,
  { free, successive }: { readonly free: boolean; readonly successive: boolean },
): Generator<Anomaly> {
  const name = nameOf(next)
  if (next.group === 'at-most-once') {
    yield { name: 'double-delivery', example: `${name} was handed over twice` }
  }
  if (next.group === 'shared' && !free && next.seen < before.begun + lease / 2) {
    const early = before.begun + lease / 2 - next.seen
    yield {
      name: 'double-delivery',
      example: `${name} was handed over while it was leased, ${early} ms before its end`,
    }
  }
  // Where deliveries are counted before they happen.
  const counted = next.group === 'shared' || next.group === 'at-least-once'
  if (counted && successive && next.attempts <= before.attempts) {
    yield { name: 'attempts-regression', example: `${name}: attempt ${next.attempts} comes after ${before.attempts}` }
  }
}

function* lost({ records, dead, drained }: History['final'], acknowledged: ReadonlySet<string>): Generator<Anomaly> {
  const of = (topic: string): string[] =>
    [...records].flatMap(([partition, list]) =>
      partition.split('/')[0] === topic ? list.map(({ value }) => value) : [],
    )
  const outputs = new Set(of(topics.outputs))
  for (const group of drained) {
    if (group === 'at-most-once') continue
    for (const value of of(topics.jobs)) {
      const done = group === 'exactly-once' ? outputs.has(outputOf(value)) : acknowledged.has(nameOf({ group, value }))
      if (done || dead.get(group)?.has(value) === true) continue
      yield { name: 'message-lost', example: `group ${group} is through, and nobody of it has done ${value}` }
    }
  }
}
