import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { type Log, openLog } from '../src/index.ts'

async function everything(log: Log, topic: string): Promise<string[]> {
  const { records } = await log.read(topic, 0, { from: 0, maxRecords: 100_000 })
  return records.map(({ value }) => Buffer.from(value!).toString())
}

it('a kill in the middle of publishing loses nothing acknowledged and tears no transaction', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-log-'))
  const program = `import { openLog } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
    const log = await openLog({ dataDir: process.argv[1] })
    await log.createTopic('a'); await log.createTopic('b')
    for (let n = await log.endOffset('a'); ; n++) {
      await log.transaction(tx => { tx.append('a', { value: Buffer.from(String(n)) }); tx.append('b', { value: Buffer.from(String(n)) }) })
      console.log(n)
    }`
  let acknowledged = -1
  for (const after of [1, 20, 55]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let seen = 0
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Math.max(acknowledged, Number(line))
      if (++seen === after) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  const log = await openLog({ dataDir })
  const a = await everything(log, 'a')
  expect(a).toEqual(Array.from({ length: a.length }, (_, n) => `${n}`))
  expect(await everything(log, 'b')).toEqual(a)
  expect(a.length).toBeGreaterThan(acknowledged)
  await log.close()
  await rm(dataDir, { recursive: true, force: true })
})
