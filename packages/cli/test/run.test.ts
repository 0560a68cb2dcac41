import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@aegis/log'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../src/index.ts'

let root = ''
const at = (name: string) => join(root, name)
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'aegis-cli-'))
  const log = await openLog({ dataDir: at('data') })
  await log.createTopic('orders', { partitions: 2, retention: { time: '7d', bytes: '1GB' } })
  await log.createTopic('streams', { keyed: 'history' })
  for (let n = 0; n < 5; n++)
    await log.append('orders', { value: `${n}`, partition: n % 2, timestamp: 1_700_000_000_000 })
  await log.append('streams', { key: 'a', value: 'x' })
  await log.commitPosition({ groupId: 'billing', topic: 'orders', partition: 0, offset: 2 })
  await log.close()
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function aegis(args: readonly string[], isTTY = false, signal?: AbortSignal) {
  let [stdout, stderr] = ['', '']
  const code = await run(args, {
    stdout: { write: text => (stdout += text) },
    stderr: { isTTY, write: text => (stderr += text) },
    ...(signal && { signal }),
  })
  return { code, stdout, stderr }
}

const json = async (...args: string[]) => JSON.parse((await aegis([...args, '--json'])).stdout)

describe('aegis topics', () => {
  it('lists the topics with what they hold', async () => {
    const { code, stdout } = await aegis(['topics', at('data')])
    expect(code).toBe(0)
    expect(stdout.split('\n')).toEqual([
      'TOPIC    KEYED    PARTITIONS  RECORDS  SIZE   RETENTION',
      expect.stringMatching(/^orders {3}none {14}2 {8}5 {2}\d+ B {2}7d, 1.0 GB a partition$/),
      expect.stringMatching(/^streams {2}history {11}1 {8}1 {2}\d+ B {2}for ever$/),
      '',
    ])
  })

  it('shows the partitions of one', async () => {
    const { stdout } = await aegis(['topics', at('data'), 'orders'])
    expect(stdout.split('\n')[1]).toMatch(/^ +0 +0 +5 +3 +\d+ B +2023-11-14T22:13:20.000Z$/)
    expect(await json('topics', at('data'), 'orders')).toMatchObject({
      name: 'orders',
      partitionDetails: [{ records: 3 }, { records: 2 }],
    })
  })

  it('fails for a topic that is not there, and says so to programs too', async () => {
    const { code, stderr } = await aegis(['topics', at('data'), 'invoices', '--json'])
    expect([code, JSON.parse(stderr).error.code]).toEqual([1, 'TOPIC_UNKNOWN'])
  })
})

describe('aegis groups', () => {
  it('lists the groups with their lag, and shows the positions of one', async () => {
    expect((await aegis(['groups', at('data')])).stdout).toBe('GROUP    TOPIC   LAG\nbilling  orders    4\n')
    const { stdout } = await aegis(['groups', at('data'), 'billing'])
    expect(stdout).toBe(
      'TOPIC   PARTITION  POSITION  LAG\norders          0         2    2\norders          1         -    2\n',
    )
    expect(await json('groups', at('data'))).toMatchObject([{ groupId: 'billing', topic: 'orders' }])
    expect(await json('groups', at('data'), 'nobody')).toEqual([])
  })
})

describe('aegis backup, restore and verify', () => {
  it('make a backup, a database of it, and say that all of them are sound', async () => {
    const backup = await aegis(['backup', at('data'), at('backup')], true)
    expect(backup.code).toBe(0)
    expect(backup.stdout).toMatch(/backup of .*\/data, \d+ entries, /)
    expect(backup.stderr).toMatch(/^\rbacking up .*: \d+ %\rbacking up .*: 100 %\n$/)
    expect((await aegis(['restore', at('backup'), at('restored')])).code).toBe(0)
    for (const name of ['data', 'backup', 'restored']) {
      const { code, stdout, stderr } = await aegis(['verify', at(name)])
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/: sound \(2 topics, 6 batches, 6 records, \d+ tables?, /)
      expect((await json('topics', at(name))).length).toBe(2)
    }
  })

  it('say what is damaged, with an exit code of its own', async () => {
    const table = (await readdir(at('data'))).find(name => name.endsWith('.log')) ?? ''
    const content = await readFile(at(`data/${table}`))
    content[content.length >> 1] = content[content.length >> 1]! ^ 1
    await writeFile(at(`data/${table}`), content)
    const text = await aegis(['verify', at('data')])
    expect([text.code, text.stdout]).toEqual([3, ''])
    expect(text.stderr).toMatch(/^aegis: .*\(STORAGE_LOSS\)\n$/)
    const { code, stderr } = await aegis(['verify', at('data'), '--json'])
    expect([code, JSON.parse(stderr).error.code]).toEqual([3, 'STORAGE_LOSS'])
    expect((await aegis(['backup', at('data'), at('backup')])).code).toBe(1)
  })

  it('say what does not fit together', async () => {
    const { openLevel } = await import('@aegis/storage')
    const storage = await openLevel({ dataDir: at('data') })
    for await (const [[key] = []] of storage.range({ gte: Uint8Array.of(0x20), limit: 1 })) {
      if (key !== undefined) await storage.commit([{ type: 'delete', key }])
    }
    await storage.close()
    const { code, stdout } = await aegis(['verify', at('data')])
    expect(code).toBe(3)
    expect(stdout).toMatch(/^problem: topic orders, partition 0, offset 2, the records from 0 to 1 are missing\n/)
    expect(stdout).toMatch(/NOT SOUND/)
    expect(await json('verify', at('data'))).toMatchObject({ sound: false, problems: [{ topic: 'orders' }, {}, {}] })
  })

  it('are refused while a program has the folder open, and say what to do', async () => {
    await using _ = await openLog({ dataDir: at('data') })
    const { code, stderr } = await aegis(['backup', at('data'), at('backup')])
    expect(code).toBe(1)
    expect(stderr).toMatch(/already open.*backupLog\(log, \{ to \}\).*\(STORAGE_LOCKED\)/)
  })

  it('leave nothing behind when they are interrupted', async () => {
    const { code, stderr } = await aegis(['backup', at('data'), at('backup')], false, AbortSignal.abort())
    expect([code, stderr]).toEqual([130, 'aegis: backup was interrupted\n'])
    expect(await readdir(root)).toEqual(['data'])
  })
})

describe('aegis', () => {
  it.each(['topics', 'groups', 'verify'])('%s never makes a database of a folder that is not there', async command => {
    const { code, stderr } = await aegis([command, at('typo')])
    expect(code).toBe(1)
    expect(stderr).toMatch(/There is no database in .*typo \(STORAGE_FORMAT\)/)
    expect(await readdir(root)).toEqual(['data'])
  })

  it.each([
    [[], /a command is missing/],
    [['destroy'], /no command "destroy"/],
    [['__proto__'], /no command/],
    [['topics'], /topics takes <folder> \[topic\]/],
    [['topics', ''], /topics takes/],
    [['backup', 'a'], /backup takes <folder> <backup>/],
    [['verify', 'a', 'b'], /verify takes <folder>/],
    [['topics', 'a', '--yaml'], /Unknown option '--yaml'/],
    [['topics', 'a', '--json=no'], /does not take an argument/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await aegis(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/aegis --help/)
  })

  it('--help names every command', async () => {
    const { code, stdout } = await aegis(['--help'])
    expect(code).toBe(0)
    for (const command of ['topics', 'groups', 'backup', 'restore', 'verify'])
      expect(stdout).toContain(`aegis ${command} <`)
  })
})
