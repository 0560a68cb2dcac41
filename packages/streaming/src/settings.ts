import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { AegisError, type Durability } from '@aegis/storage'
import { parse } from 'smol-toml'
import type { EngineOptions } from './engine-options.ts'
import { Section } from './section.ts'

/** Where the log is. */
export type Place =
  | { readonly dataDir: string }
  | { readonly memory: true }
  | { readonly url: string; readonly cluster: ClusterSettings }

/** What `connectLog` of the driver takes besides the address. */
export type ClusterSettings = Readonly<Partial<Record<ClusterTexts, string>>> & {
  readonly tls?: Readonly<Partial<Record<ClusterFiles, string>>>
  readonly replicas?: number
  readonly requestTimeout?: number
}
const clusterTexts = ['domain', 'user', 'password', 'token', 'nkeySeed', 'credentialsFile'] as const
const clusterFiles = ['caFile', 'certFile', 'keyFile'] as const
type ClusterTexts = (typeof clusterTexts)[number]
type ClusterFiles = (typeof clusterFiles)[number]

/** What of one source, or of all together, is to hold. Durations in milliseconds, sizes in bytes. */
export interface Settings {
  readonly place: Place | undefined
  readonly durability: Durability | undefined
  readonly maxMessageSize: number | undefined
  readonly defaultRetention: number | undefined
  readonly maxPollRecords: number | undefined
  readonly autoCommit: boolean | undefined
  readonly sessionTimeout: number | undefined
  readonly publishLimitBytes: number | undefined
  readonly publishWhenFull: 'wait' | 'fail' | undefined
  readonly cdcEnabled: boolean | undefined
  readonly cdcBufferSize: number | undefined
}

export type CompleteSettings = Settings & { readonly place: Place }

/**
 * The options, completed by the file that they name.
 * @throws AegisError `ENGINE_INVALID` for an option, `CONFIG_INVALID` for the file
 */
export async function readSettings(options: EngineOptions): Promise<CompleteSettings> {
  const given = new Section({ code: 'ENGINE_INVALID', prefix: '', spell: option => option }, { ...options })
  const config = given.text('config')
  const explicit = read(given, '', 'now', 'events')
  const file = config === undefined ? undefined : await readConfig(config)
  const defaultPlace = config === undefined ? undefined : { dataDir: resolve(dirname(config), 'data') }
  const place =
    explicit.place ??
    file?.place ??
    defaultPlace ??
    given.fail('open takes dataDir, memory, url or config: give one that says where the data is')
  return {
    place,
    durability: explicit.durability ?? file?.durability,
    maxMessageSize: explicit.maxMessageSize ?? file?.maxMessageSize,
    defaultRetention: explicit.defaultRetention ?? file?.defaultRetention,
    maxPollRecords: explicit.maxPollRecords ?? file?.maxPollRecords,
    autoCommit: explicit.autoCommit ?? file?.autoCommit,
    sessionTimeout: explicit.sessionTimeout ?? file?.sessionTimeout,
    publishLimitBytes: explicit.publishLimitBytes ?? file?.publishLimitBytes,
    publishWhenFull: explicit.publishWhenFull ?? file?.publishWhenFull,
    cdcEnabled: explicit.cdcEnabled ?? file?.cdcEnabled,
    cdcBufferSize: explicit.cdcBufferSize ?? file?.cdcBufferSize,
  }
}

async function readConfig(path: string): Promise<Settings> {
  const invalid = (text: string, cause: unknown) => new AegisError('CONFIG_INVALID', `${path}${text}`, { cause })
  const content = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw invalid(` cannot be read (${cause.code}): option config names a TOML file`, cause)
  })
  let values: Record<string, unknown>
  try {
    values = parse(content)
  } catch (cause) {
    throw invalid(` is not TOML: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  const file = new Section({ code: 'CONFIG_INVALID', prefix: `${path}: `, spell: snakeCase }, values)
  const streaming = file.section('streaming')
  file.end()
  return read(streaming, dirname(path))
}

/** `others` are names that this source has besides. */
function read(section: Section, folder: string, ...others: readonly string[]): Settings {
  const dataDir = section.text('dataDir')
  const memory = section.flag('memory')
  const url = section.text('url')
  const consumer = section.section('consumer')
  const publishLimit = section.section('publishLimit')
  const cdc = section.section('cdc')
  const cluster = readCluster(section.section('cluster'))
  const places: Place[] = []
  if (dataDir !== undefined) places.push({ dataDir: resolve(folder, dataDir) })
  if (memory === true) places.push({ memory: true })
  if (url !== undefined) places.push({ url, cluster })
  else if (Object.keys(cluster).length > 0) section.fail(`${section.nameOf('cluster')} goes with url: give both`)
  if (places.length > 1) {
    const names = ['dataDir', 'memory', 'url'].map(option => section.nameOf(option))
    section.fail(`the data is in one place: give only one of ${names.join(', ')}`)
  }
  const settings = {
    place: places[0],
    durability: section.choice('durability', ['fsync', 'buffered']),
    maxMessageSize: section.size('maxMessageSize'),
    defaultRetention: section.duration('defaultRetention'),
    maxPollRecords: consumer.count('maxPollRecords'),
    autoCommit: consumer.flag('autoCommit'),
    sessionTimeout: consumer.duration('sessionTimeout'),
    publishLimitBytes: publishLimit.size('bytes'),
    publishWhenFull: publishLimit.choice('whenFull', ['wait', 'fail']),
    cdcEnabled: cdc.flag('enabled'),
    cdcBufferSize: cdc.count('bufferSize'),
  }
  if (settings.publishWhenFull !== undefined && settings.publishLimitBytes === undefined) {
    section.fail(
      `${publishLimit.nameOf('whenFull')} says what becomes of messages beyond ${publishLimit.nameOf('bytes')}: give both`,
    )
  }
  for (const part of [consumer, publishLimit, cdc]) part.end()
  section.end(...others)
  return settings
}

function readCluster(section: Section): ClusterSettings {
  const textsOf = <T extends string>(options: readonly T[]): Partial<Record<T, string>> => {
    const texts: Partial<Record<T, string>> = {}
    for (const option of options) {
      const text = section.text(option)
      if (text !== undefined) texts[option] = text
    }
    return texts
  }
  const texts = textsOf(clusterTexts)
  const tls = textsOf(clusterFiles)
  const replicas = section.count('replicas')
  const requestTimeout = section.duration('requestTimeout')
  section.end()
  return {
    ...texts,
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(replicas !== undefined && { replicas }),
    ...(requestTimeout !== undefined && { requestTimeout }),
  }
}

const snakeCase = (option: string): string => option.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
