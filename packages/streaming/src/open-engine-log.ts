import { type Log, type OpenLogOptions, openLog } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { ClusterSettings, CompleteSettings } from './settings.ts'

type TopicDefaults = NonNullable<OpenLogOptions['topicDefaults']>

/** What a driver's package exports; the engine knows no more of it, so that nobody needs its dependencies. */
interface Driver {
  connectLog(options: { url: string; topicDefaults: TopicDefaults } & ClusterSettings): Promise<Log>
}

const isDriver = (module: unknown): module is Driver =>
  typeof module === 'object' && module !== null && 'connectLog' in module && typeof module.connectLog === 'function'

/** Opens the log where the settings say. */
export async function openEngineLog(
  { place, durability, maxMessageSize, defaultRetention }: CompleteSettings,
  now: (() => number) | undefined,
): Promise<Log> {
  const topicDefaults: TopicDefaults = {
    ...(maxMessageSize !== undefined && { maxMessageSize }),
    ...(defaultRetention !== undefined && { retention: defaultRetention }),
  }
  if ('url' in place) {
    const { url, cluster } = place
    return (await loadDriver(url)).connectLog({ ...cluster, url, topicDefaults })
  }
  return openLog({
    ...place,
    topicDefaults,
    ...(durability !== undefined && { durability }),
    ...(now !== undefined && { now }),
  })
}

async function loadDriver(url: string): Promise<Driver> {
  const addresses = url.split(',').map(address => address.trim())
  const known = addresses.every(
    address => URL.canParse(address) && ['nats:', 'tls:'].includes(new URL(address).protocol),
  )
  if (!known) {
    throw new AegisError(
      'ENGINE_INVALID',
      `url is ${JSON.stringify(url)}: give an address such as nats://localhost:4222`,
    )
  }
  // A variable, so that compilers and bundlers do not look for what only some have installed.
  const name = '@aegis/log-jetstream'
  let module: unknown
  try {
    module = await import(name)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause
    // A package that the driver itself misses is another matter, which its own message names.
    if (!cause.message.includes(`'${name}'`)) throw cause
    throw new AegisError('DRIVER_NOT_INSTALLED', `${url} needs the driver ${name}: npm install ${name}`, { cause })
  }
  if (!isDriver(module)) {
    throw new AegisError('DRIVER_NOT_INSTALLED', `${name} has no connectLog: npm install ${name}@latest`)
  }
  return module
}
