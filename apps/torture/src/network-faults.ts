import type { ClusterNetwork, NetworkProxy } from '@aegis/nats-server'
import type { Random } from './random.ts'

type Fault = (proxy: NetworkProxy, random: Random) => void

/** What can happen to the network of a server; all of it ends with `mendNetwork`. */
const faults: Readonly<Record<string, Fault>> = {
  slow: (proxy, random) => proxy.delay(5 + random.below(60)),
  dropped: proxy => proxy.drop(),
  cut: proxy => proxy.cut(),
  'half-closed': proxy => proxy.halfClose(),
  'not hearing': proxy => proxy.silenceServer(),
  'not heard': proxy => proxy.silenceClient(),
}

/** The connections that it happens to. */
const places: Readonly<Record<string, (network: ClusterNetwork, server: number) => readonly NetworkProxy[]>> = {
  'its clients': (network, server) => network.clients.slice(server, server + 1),
  'all clients': ({ clients }) => clients,
  'the other servers': (network, server) => network.routesOf(server),
  'one other server': (network, server) => network.routesOf(server).slice(0, 1),
}

/** Does something to the network around a server; gives what. */
export function breakNetwork(network: ClusterNetwork, server: number, random: Random): string {
  const [fault, place] = [random.of(Object.keys(faults)), random.of(Object.keys(places))]
  for (const proxy of places[place]!(network, server)) faults[fault]!(proxy, random)
  return `${place} ${fault}`
}

/** Everything works again; connections that were silenced are ended, as a system does that has waited long enough. */
export function mendNetwork(network: ClusterNetwork, server: number): void {
  network.restore()
  for (const proxy of [...network.clients, ...network.routesOf(server)]) proxy.dropSilenced()
}
