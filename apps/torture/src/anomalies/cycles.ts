import { type Anomaly, type AnomalyName, type History, keyName, type Operation } from '../history.ts'

type Dependency = 'ww' | 'wr' | 'rw'

/**
 * Cycles of dependencies between operations (Adya; Elle's way of finding them): with one there is no order in which
 * they could have run one after the other.
 */
export function* cycleAnomalies({ operations, final }: History): Generator<Anomaly> {
  const edges = dependencies(operations, final.histories)
  for (const component of stronglyConnected(edges)) {
    const members = new Set(component)
    const within = (allowed: readonly Dependency[]): Map<Operation, Map<Operation, Dependency>> =>
      new Map(
        component.map(from => [
          from,
          new Map([...(edges.get(from) ?? [])].filter(([to, kind]) => members.has(to) && allowed.includes(kind))),
        ]),
      )
    const name = classify(within)
    const example = component.map(({ process, start }) => `${start} of ${process}`).join(', ')
    yield { name, example: `operations ${example} cannot be put into an order` }
  }
}

type Graph = Map<Operation, Map<Operation, Dependency>>

function dependencies(operations: readonly Operation[], histories: ReadonlyMap<string, readonly string[]>): Graph {
  const writer = new Map<string, Operation>()
  for (const operation of operations) {
    if (operation.outcome === 'failed') continue
    for (const { topic, key, value } of operation.keysWritten) writer.set(`${keyName(topic, key)} ${value}`, operation)
  }
  const graph: Graph = new Map(operations.map(operation => [operation, new Map()]))
  const add = (from: Operation | undefined, to: Operation | undefined, kind: Dependency): void => {
    if (from === undefined || to === undefined || from === to) return
    const known = graph.get(from)!.get(to)
    // The strongest is kept: a cycle is named by its weakest edges.
    if (known === undefined || kind === 'ww' || (kind === 'wr' && known === 'rw')) graph.get(from)!.set(to, kind)
  }
  const at = (name: string, version: number): Operation | undefined => {
    const value = histories.get(name)?.[version]
    return value === undefined ? undefined : writer.get(`${name} ${value}`)
  }
  for (const [name, values] of histories) {
    for (let version = 1; version < values.length; version++) add(at(name, version - 1), at(name, version), 'ww')
  }
  for (const operation of operations) {
    // Reads of what was refused or not finished prove nothing: their caller never relied on them.
    if (operation.outcome !== 'ok') continue
    for (const { topic, key, version } of operation.keyReads) {
      const name = keyName(topic, key)
      add(at(name, version), operation, 'wr')
      add(operation, at(name, version + 1), 'rw')
    }
  }
  return graph
}

function classify(within: (allowed: readonly Dependency[]) => Graph): AnomalyName {
  if (stronglyConnected(within(['ww'])).length > 0) return 'G0'
  const withoutAnti = within(['ww', 'wr'])
  if (stronglyConnected(withoutAnti).length > 0) return 'G1c'
  for (const [from, targets] of within(['rw'])) {
    for (const to of targets.keys()) if (reaches(withoutAnti, to, from)) return 'G-single'
  }
  return 'G2'
}

function reaches(graph: Graph, from: Operation, to: Operation): boolean {
  const seen = new Set([from])
  const open = [from]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === to) return true
    for (const target of graph.get(next)?.keys() ?? []) {
      if (!seen.has(target)) {
        seen.add(target)
        open.push(target)
      }
    }
  }
  return false
}

/** Tarjan's algorithm, without recursion: the components of two or more. */
function stronglyConnected(graph: Graph): Operation[][] {
  const order = new Map<Operation, number>()
  const low = new Map<Operation, number>()
  const stack: Operation[] = []
  const onStack = new Set<Operation>()
  const components: Operation[][] = []
  for (const root of graph.keys()) {
    if (order.has(root)) continue
    const work = [{ node: root, targets: (graph.get(root) ?? new Map()).keys() }]
    const enter = (node: Operation): void => {
      order.set(node, order.size)
      low.set(node, order.get(node)!)
      stack.push(node)
      onStack.add(node)
    }
    enter(root)
    for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
      const { node, targets } = top
      const next = targets.next()
      if (next.done !== true) {
        const target: Operation = next.value
        if (!order.has(target)) {
          enter(target)
          work.push({ node: target, targets: (graph.get(target) ?? new Map()).keys() })
        } else if (onStack.has(target)) low.set(node, Math.min(low.get(node)!, order.get(target)!))
        continue
      }
      work.pop()
      const parent = work.at(-1)?.node
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent)!, low.get(node)!))
      if (low.get(node) !== order.get(node)) continue
      const component: Operation[] = []
      for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
        onStack.delete(member)
        component.push(member)
        if (member === node) break
      }
      if (component.length > 1) components.push(component)
    }
  }
  return components
}
