import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { parseDuration } from '@aegis/log'
import type { TopicDefaults } from '@aegis/log/driver'
import { AegisError } from '@aegis/storage'
import { jetstreamManager } from '@nats-io/jetstream'
import {
  type Authenticator,
  AuthorizationError,
  type NatsConnection,
  PermissionViolationError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from '@nats-io/nats-core'
import { connect, credsAuthenticator, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node'
import type { ClusterLog } from './cluster-log.ts'
import { Domain } from './domain.ts'
import { featuresOf } from './features.ts'
import { JetStreamLog } from './jetstream-log.ts'
import { isPassing, Patience } from './patience.ts'
import { statusOf } from './status.ts'
import { openStream } from './stream.ts'
import { Subjects } from './subjects.ts'

export interface ConnectLogOptions {
  /** `'nats://host:4222'`, or several separated by commas; `tls://` for TLS. The others of a cluster are found through the first that answers. */
  url: string
  /** The stream that everything lives in: two domains on the same servers know nothing of one another. Default `'aegis'`. */
  domain?: string
  /** How many servers keep the stream when it is made: 1, 3 or 5. Default 1. */
  replicas?: number
  user?: string
  password?: string
  token?: string
  /** The seed of an NKey, beginning with `SU`. */
  nkeySeed?: string
  /** The path of a credentials file (JWT and NKey). */
  credentialsFile?: string
  /** Paths of the certificates, and what else the client's TLS takes. */
  tls?: NonNullable<NodeConnectionOptions['tls']>
  /**
   * How long a request may wait for an answer, lost connections included: milliseconds or `'30s'`, the default; at most `'100s'`, for
   * what is written is repeated under its id, which the servers know for two minutes.
   */
  requestTimeout?: number | string
  /** For topics that do not say otherwise when they are created; those that exist keep what they have. */
  topicDefaults?: TopicDefaults
}

const known = [
  'url',
  'domain',
  'replicas',
  'user',
  'password',
  'token',
  'nkeySeed',
  'credentialsFile',
  'tls',
  'requestTimeout',
  'topicDefaults',
]

/** Milliseconds that several servers, of which none can be reached, are tried again. */
const longestStart = 10_000
const betweenAttempts = 250

/** Shorter than the servers know the id of what was written, so that what is repeated is stored once. */
const longestRequest = 100_000

const invalid = (message: string, cause?: unknown): AegisError => new AegisError('CONNECT_INVALID', message, { cause })

/**
 * Connects to a NATS cluster with JetStream, and makes the stream of the domain if it is not there.
 *
 * A lost connection comes back by itself; what was asked for meanwhile waits, for `requestTimeout` at most.
 * Of several servers, one has to answer within ten seconds.
 * @throws AegisError `CONNECT_INVALID`, `CONNECT_FAILED`, `AUTHENTICATION_FAILED`
 */
export async function connectLog(options: ConnectLogOptions): Promise<ClusterLog> {
  for (const option of Object.keys(options)) {
    if (!known.includes(option))
      throw invalid(`option ${JSON.stringify(option)} is not known: there are ${known.join(', ')}`)
  }
  const { domain: name = 'aegis', replicas, requestTimeout = '30s', topicDefaults = {} } = options
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(name)) {
    throw invalid(`domain is ${JSON.stringify(name)}: give 1 to 32 letters, digits, '_' or '-'`)
  }
  const patience = new Patience(parseDuration('requestTimeout', requestTimeout))
  if (patience.milliseconds > longestRequest) {
    throw invalid(`requestTimeout is ${JSON.stringify(requestTimeout)}: give at most ${longestRequest} ms`)
  }
  const servers = serversOf(options.url)
  const connection = await open(servers, options, patience.milliseconds)
  try {
    const manager = await jetstreamManager(connection, { timeout: 5_000, checkAPI: false })
    const subjects = new Subjects(name)
    const features = featuresOf(connection.info?.version ?? '2.9.0')
    const stream = await openStream(manager, name, subjects, features, replicas, patience)
    const domain = new Domain({
      connection,
      manager,
      stream: name,
      subjects,
      features,
      replicas: stream.replicas,
      patience,
    })
    watch(domain)
    const log = new JetStreamLog(domain, topicDefaults)
    await log.load()
    return log
  } catch (error) {
    await connection.close()
    if (error instanceof Error && error.name === 'JetStreamNotEnabled')
      throw invalid(`the servers at ${servers.join(', ')} run without JetStream`, error)
    throw error
  }
}

function serversOf(url: string): string[] {
  const servers = typeof url === 'string' ? url.split(',').map(server => server.trim()) : []
  for (const server of servers) {
    if (!URL.canParse(server) || !['nats:', 'tls:'].includes(new URL(server).protocol)) {
      throw invalid(
        `url is ${JSON.stringify(url)}: give an address such as nats://localhost:4222, or several with commas`,
      )
    }
  }
  return servers
}

async function open(servers: readonly string[], options: ConnectLogOptions, timeout: number): Promise<NatsConnection> {
  const { tls } = options
  const secure = tls ?? (servers.some(server => server.startsWith('tls:')) ? {} : undefined)
  const settings: NodeConnectionOptions = {
    servers: servers.map(server => server.replace(/^tls:/, 'nats:')),
    name: 'aegis',
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    pingInterval: 5_000,
    // It makes two errors for each request, with their stacks, in case it fails: a tenth of the time of one that is awaited.
    noAsyncTraces: true,
    timeout: Math.min(timeout, 10_000),
    ...credentialsOf(servers, options),
    ...(secure !== undefined && { tls: { ...identityOf(servers), ...secure } }),
    ...(await authenticatorOf(options)),
  }
  try {
    const connection = await firstConnection(settings, servers.length > 1 ? Math.min(timeout, longestStart) : 0)
    keepAll(connection, servers)
    return connection
  } catch (error) {
    if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) {
      throw new AegisError(
        'AUTHENTICATION_FAILED',
        `the servers at ${servers.join(', ')} refuse the credentials: ${error.message}`,
        { cause: error },
      )
    }
    const reason = error instanceof Error ? error.message : String(error)
    // The alert of a server that misses our certificate comes after the handshake, and the client waits on without a word.
    const silent = error instanceof TimeoutError && secure !== undefined && !(secure.cert ?? secure.certFile)
    const advice = silent ? ' (if they verify their clients, give tls.certFile and tls.keyFile)' : ''
    throw new AegisError('CONNECT_FAILED', `no server at ${servers.join(', ')} could be reached: ${reason}${advice}`, {
      cause: error,
    })
  }
}

/** The client tries each server once. Of several that come and go one may answer a moment later, so it tries again for a while. */
async function firstConnection(settings: NodeConnectionOptions, patience: number): Promise<NatsConnection> {
  const deadline = performance.now() + patience
  for (;;) {
    try {
      return await connect(settings)
    } catch (error) {
      if (!isPassing(error) || performance.now() >= deadline) throw error
    }
    await setTimeout(betweenAttempts)
  }
}

/** The client forgets servers that it could not reach when it began; they may be those that are left later. */
function keepAll(connection: NatsConnection, servers: readonly string[]): void {
  const given = servers.map(server => new URL(server)).map(({ hostname, port }) => `${hostname}:${port || 4222}`)
  const known = connection.getServers().map(({ listen }) => listen)
  if (given.some(server => !known.includes(server))) connection.setServers([...new Set([...known, ...given])])
}

/**
 * For servers that are given by IP address: the client names no host for them, and Node.js would look for `localhost` in their
 * certificates. One that holds for any of the addresses given holds for the cluster.
 */
function identityOf(servers: readonly string[]): object {
  const addresses = servers.map(server => new URL(server).hostname.replace(/^\[|\]$/g, '')).filter(host => isIP(host))
  if (addresses.length === 0) return {}
  return {
    checkServerIdentity: (host: string, certificate: PeerCertificate): Error | undefined =>
      addresses.some(address => checkServerIdentity(address, certificate) === undefined)
        ? undefined
        : checkServerIdentity(host, certificate),
  }
}

/** Of the options, or of the address itself: `nats://user:password@host`. */
function credentialsOf(
  servers: readonly string[],
  { user, password, token }: ConnectLogOptions,
): NodeConnectionOptions {
  const address = servers.map(server => new URL(server)).find(({ username }) => username !== '')
  const [name, secret] = [address?.username, address?.password].map(part => decodeURIComponent(part ?? ''))
  if (user !== undefined) return { user, ...(password !== undefined && { pass: password }) }
  if (token !== undefined) return { token }
  if (!name) return {}
  return secret ? { user: name, pass: secret } : { token: name }
}

async function authenticatorOf({
  nkeySeed,
  credentialsFile,
}: ConnectLogOptions): Promise<{ authenticator?: Authenticator }> {
  if (nkeySeed !== undefined) return { authenticator: nkeyAuthenticator(Buffer.from(nkeySeed)) }
  if (credentialsFile === undefined) return {}
  const content = await readFile(credentialsFile).catch((cause: NodeJS.ErrnoException) => {
    throw invalid(`credentialsFile ${credentialsFile} cannot be read (${cause.code})`, cause)
  })
  const authenticator = credsAuthenticator(content)
  try {
    // It reads the file's content only when a server asks, too late to say what is wrong with it.
    authenticator('trial')
  } catch (cause) {
    throw invalid(`credentialsFile ${credentialsFile} holds no JWT and NKey seed: make it with nsc`, cause)
  }
  return { authenticator }
}

/** Tells those who wait when a lost connection is there again, and looks for another server when they wait in vain. */
function watch(domain: Domain): void {
  const { connection, patience } = domain
  // It may be closed at this moment: then nobody waits any more.
  patience.onStuck(() => void connection.reconnect().catch(() => undefined))
  void (async () => {
    for await (const status of statusOf(connection)) {
      if (status.type === 'reconnected') domain.reconnected()
      if (status.type === 'refused' && status.error instanceof PermissionViolationError) {
        domain.replies.refuse(status.error)
      }
    }
  })()
}
