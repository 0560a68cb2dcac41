import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLevel, type Storage } from '../src/index.ts'

const dist = join(import.meta.dirname, '../dist')
const index = pathToFileURL(join(dist, 'index.js')).href
/** Opens the folder, tells how that went, and stays. */
const opener = (tell: string) => `
  import { openLevel } from ${JSON.stringify(index)}
  await openLevel({ dataDir: ${JSON.stringify(dataDir)} }).then(() => ${tell}('opened'), error => ${tell}(error.code))
  setInterval(() => {}, 1e6)`

let root = ''
let dataDir = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-lock-'))
  dataDir = join(root, 'data')
})
afterEach(() => rm(root, { recursive: true, force: true }))

interface Opener {
  readonly told: string
  stop(): Promise<unknown>
}

async function inProcess(): Promise<Opener> {
  const program = opener('console.log')
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Listened to from the beginning: one that is refused has ended when it is heard of.
  const exited = once(child, 'exit')
  const [told] = await once(child.stdout, 'data')
  const stop = () => {
    child.kill('SIGKILL')
    return exited
  }
  return { told: String(told).trim(), stop }
}

async function inThread(): Promise<Opener> {
  const program = `import { parentPort } from 'node:worker_threads'
    ${opener('parentPort.postMessage')}`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`))
  const [told] = await once(worker, 'message')
  return { told, stop: () => worker.terminate() }
}

/** As when two versions of a program's dependencies bring a copy each. */
async function inCopy(): Promise<Opener> {
  const copy = await mkdtemp(join(root, 'copy-'))
  await cp(dist, join(copy, 'dist'), { recursive: true })
  await cp(join(dist, '../src'), join(copy, 'src'), { recursive: true })
  await symlink(join(dist, '../node_modules'), join(copy, 'node_modules'))
  const { openLevel: open }: { openLevel: typeof openLevel } = await import(join(copy, 'dist/index.js'))
  const storage = await open({ dataDir }).catch((error: { code: string }) => error.code)
  return {
    told: typeof storage === 'string' ? storage : 'opened',
    async stop() {
      if (typeof storage !== 'string') await storage.close()
    },
  }
}

const openers = { 'another process': inProcess, 'another thread': inThread, 'another copy of the package': inCopy }

describe.each(Object.entries(openers))('a folder and %s', (_, other) => {
  it('is refused to it while it is open here, again and again, and after a refusal to another process still', async () => {
    await using storage = await openLevel({ dataDir })
    for (const open of [other, other, inProcess]) {
      const opened = await open()
      await opened.stop()
      expect(opened.told).toBe('STORAGE_LOCKED')
    }
    await storage.commit([{ type: 'put', key: Buffer.from('a'), value: Buffer.from('') }])
  })

  it('is refused here while it is open there, and free at once however that ends', async () => {
    const there = await other()
    expect(there.told).toBe('opened')
    await expect(openLevel({ dataDir })).rejects.toMatchObject({ code: 'STORAGE_LOCKED', details: { folder: dataDir } })
    await there.stop()
    await (await openLevel({ dataDir })).close()
  })
})

it('two spellings of one folder are one folder', async () => {
  await using _: Storage = await openLevel({ dataDir })
  await symlink(dataDir, join(root, 'link'))
  for (const spelling of [join(root, 'link'), `${root}/./data/`, join(root, 'data', '..', 'data')]) {
    await expect(openLevel({ dataDir: spelling })).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
  }
})

it('many openers at once: one of them gets it', async () => {
  const opened = await Promise.allSettled(Array.from({ length: 10 }, () => openLevel({ dataDir })))
  const storages = opened.filter(result => result.status === 'fulfilled')
  expect(storages).toHaveLength(1)
  await storages[0]!.value.close()
})
