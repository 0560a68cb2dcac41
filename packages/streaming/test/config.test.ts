import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, it } from 'vitest'
import { type EngineOptions, StreamingEngine } from '../src/index.ts'

let folder: string
let engines: StreamingEngine[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aegis-config-'))
  engines = []
  return async () => {
    for (const engine of engines) await engine.close()
    await rm(folder, { recursive: true, force: true })
  }
})

async function engineWith(toml: string, options: EngineOptions = {}): Promise<StreamingEngine> {
  const config = join(folder, 'aegis.toml')
  await writeFile(config, toml)
  const engine = await StreamingEngine.open({ config, ...options })
  engines.push(engine)
  return engine
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

describe('the file', () => {
  it('opens the engine with every key that there is', async () => {
    const engine = await engineWith(`
      [streaming]
      data_dir = "./data"
      durability = "buffered"
      max_message_size = "2KB"
      default_retention = "7d"
      [streaming.consumer]
      max_poll_records = 100
      auto_commit = true
      session_timeout = "30s"
      [streaming.publish_limit]
      bytes = "16MB"
      when_full = "fail"
      [streaming.cdc]
      enabled = true
      buffer_size = 10000
    `)
    const week = 7 * 86_400_000
    expect(await engine.createTopic('t')).toMatchObject({ retention: week, maxMessageSize: 2000 })
    await expect(engine.publish('t', { payload: 'x'.repeat(2001) })).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await engine.cdc.table('users', { primaryKey: 'id' })
    expect(await engine.log.describeTopic('$table.users')).toMatchObject({ retention: null })
  })

  it('needs no key at all, and then keeps the data in the folder data beside it', async () => {
    for (const toml of ['', '[streaming]\n', '[streaming.cdc]\n']) {
      await (await engineWith(toml)).close()
      expect(await exists(join(folder, 'data'))).toBe(true)
    }
  })

  it('means by a relative data_dir one relative to the file, whatever the working folder', async () => {
    const config = join(folder, 'aegis.toml')
    await writeFile(config, '[streaming]\ndata_dir = "here"')
    await using _ = await StreamingEngine.open({ config: relative(process.cwd(), config) })
    expect(await exists(join(folder, 'here'))).toBe(true)
  })

  it('gives subscriptions what they do not say themselves', async () => {
    const engine = await engineWith('[streaming]\nmemory = true\n[streaming.consumer]\nauto_commit = true')
    await engine.createTopic('t')
    await engine.publishMany('t', [{ payload: 1 }, { payload: 2 }])
    const read = async (count: number, options = {}) => {
      const seen: unknown[] = []
      const sub = await engine.subscribe('t', { groupId: 'g', from: 'earliest', ...options })
      for await (const { payload } of sub) if (seen.push(payload) === count) break
      return seen
    }
    expect(await read(2)).toEqual([1, 2])
    expect(await read(1, { autoCommit: false })).toEqual([2])
  })

  it('turns tables off, on the engine and inside transactions', async () => {
    const engine = await engineWith('[streaming]\nmemory = true\n[streaming.cdc]\nenabled = false')
    expect(() => engine.cdc).toThrow(expect.objectContaining({ code: 'CDC_DISABLED' }))
    const insert = engine.transaction(tx => tx.cdc.table('users').insert({ id: 1 }))
    await expect(insert).rejects.toMatchObject({ code: 'CDC_DISABLED' })
    await engine.events.append('a', { type: 'T', data: 1 })
  })

  it('is beaten by an option that is given', async () => {
    const toml = '[streaming]\ndata_dir = "unused"\nmax_message_size = 10\n[streaming.cdc]\nenabled = false'
    const engine = await engineWith(toml, { memory: true, maxMessageSize: '1KB', cdc: { enabled: true } })
    expect(await engine.createTopic('t')).toMatchObject({ maxMessageSize: 1000 })
    expect(engine.cdc).toBeDefined()
    expect(await exists(join(folder, 'unused'))).toBe(false)
  })

  it.each([
    ['[streaming]\ndata_dirr = "x"', 'streaming.data_dirr is not known: there are data_dir'],
    ['[streaming]\ndataDir = "x"', 'streaming.dataDir is not known'],
    ['[stream]\ndata_dir = "x"', 'stream is not known: there are streaming'],
    ['streaming = 3', 'streaming is 3: give a table of settings'],
    ['[streaming]\ndata_dir = 3', 'streaming.data_dir is 3: give a text'],
    ['[streaming]\ndata_dir = ""', 'streaming.data_dir is "": give a text that is not empty'],
    [
      '[streaming]\ndata_dir = "x"\nmemory = true',
      'give only one of streaming.data_dir, streaming.memory, streaming.url',
    ],
    ['[streaming]\ndurability = "never"', 'streaming.durability is "never": give "fsync" or "buffered"'],
    ['[streaming]\nmax_message_size = "1 potato"', 'streaming.max_message_size is "1 potato": give bytes or'],
    ['[streaming]\nmax_message_size = 0', 'streaming.max_message_size is 0: give bytes or'],
    ['[streaming]\ndefault_retention = "soon"', 'streaming.default_retention is "soon": give milliseconds or'],
    ['[streaming]\ndefault_retention = -1', 'streaming.default_retention is -1'],
    ['[streaming]\ndefault_retention = 2020-01-01', 'streaming.default_retention is "2020-01-01"'],
    ['[streaming.consumer]\nmax_poll_records = "many"', 'streaming.consumer.max_poll_records is "many": give a whole'],
    ['[streaming.consumer]\nmax_poll_records = 0', 'streaming.consumer.max_poll_records is 0'],
    ['[streaming.consumer]\nmax_poll_records = 1.5', 'streaming.consumer.max_poll_records is 1.5'],
    ['[streaming.consumer]\nauto_commit = 1', 'streaming.consumer.auto_commit is 1: give true or false'],
    ['[streaming.consumer]\nsession_timeout = true', 'streaming.consumer.session_timeout is true'],
    ['[streaming.consumer]\nmax_pol_records = 1', 'max_poll_records, auto_commit, session_timeout'],
    ['[streaming.cdc]\nenabled = "no"', 'streaming.cdc.enabled is "no": give true or false'],
    ['[streaming.cdc]\nbuffer_size = [1]', 'streaming.cdc.buffer_size is [1]'],
    ['[streaming]\n__proto__ = 1', 'streaming.__proto__ is not known'],
    ['[__proto__.streaming]\ndata_dir = "x"', '__proto__ is not known'],
    ['[streaming]\nconstructor = "x"', 'streaming.constructor is not known'],
    ['[streaming', 'is not TOML'],
  ])('refuses %j, naming the file, the key, the value and what is allowed', async (toml, message) => {
    const error = await engineWith(toml).catch(error => error)
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(error.message).toContain(`${join(folder, 'aegis.toml')}`)
    expect(error.message).toContain(message)
    expect(Object.prototype).not.toHaveProperty('streaming')
    expect(await exists(join(folder, 'data'))).toBe(false)
  })

  it('that is not there is an error which names it', async () => {
    const config = join(folder, 'missing.toml')
    await expect(StreamingEngine.open({ config })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${config} cannot be read (ENOENT)`),
    })
  })
})

describe('the options', () => {
  it.each<[object, string]>([
    [{}, 'give one that says where the data is'],
    [{ memory: false }, 'give one that says where the data is'],
    [{ memory: true, dataDir: 'x' }, 'give only one of dataDir, memory, url'],
    [{ data_dir: 'x' }, 'data_dir is not known: there are config, dataDir'],
    [{ memory: true, consumer: { maxPollRecords: '5' } }, 'consumer.maxPollRecords is "5": give a whole number'],
    [{ memory: true, consumer: { maxPoll: 5 } }, 'consumer.maxPoll is not known'],
    [{ memory: true, maxMessageSize: -1 }, 'maxMessageSize is -1'],
    [{ memory: true, cluster: { replicas: 3 } }, 'cluster goes with url'],
    [{ url: 'nats://a', cluster: { replica: 3 } }, 'cluster.replica is not known'],
    [{ url: 'nats://a,http://b' }, 'give an address such as nats://localhost:4222'],
    [{ url: 'localhost' }, 'url is "localhost": give an address such as nats://localhost:4222'],
  ])('%j is refused', async (options, message) => {
    await expect(StreamingEngine.open(options)).rejects.toMatchObject({
      code: 'ENGINE_INVALID',
      message: expect.stringContaining(message),
    })
  })

  it('an address without its driver installed names the command that installs it', async () => {
    // Here it is installed: a program of its own, in which it cannot be found.
    const notFound = `export const resolve = (name, context, next) => {
      if (name !== '@aegis/log-jetstream') return next(name, context)
      throw Object.assign(new Error("Cannot find package '@aegis/log-jetstream'"), { code: 'ERR_MODULE_NOT_FOUND' })
    }`
    const program = `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(notFound)}))
      const { StreamingEngine } = await import(${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))})
      await StreamingEngine.open({ url: 'nats://localhost:4222' }).catch(error => console.log(error.code, error.message))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    expect(stdout).toMatch(/^DRIVER_NOT_INSTALLED .*npm install @aegis\/log-jetstream/)
  })
})
