import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const partitions = 6

/** Follows what it is given and commits, for each record, an output that names it, with the position after it. */
const program = `import { connectLog } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const [url, domain] = process.argv.slice(1)
  const log = await connectLog({ url, domain })
  const member = await log.join({ groupId: 'g', topic: 't', sessionTimeout: 1000, onAssignment: async () => undefined })
  for (;;) {
    for (const partition of member.partitions) {
      const from = (await log.committed('g', 't', partition))?.offset ?? 0
      const { records } = await log.read('t', partition, { from, maxRecords: 1 })
      for (const { value, offset } of records) {
        const position = { groupId: 'g', topic: 't', partition, offset: offset + 1, member }
        await log.transaction(tx => { tx.append('out', { value }); tx.commitPosition(position) }).catch(error => {
          if (!['GENERATION_FENCED', 'TRANSACTION_CONFLICT'].includes(error.code)) throw error
        })
      }
    }
    console.log([...member.partitions].join())
    await new Promise(resolve => setTimeout(resolve, 5))
  }`

describeWithServer(
  'three processes of one group',
  () => {
    const server = givenServer()

    it('killed and joined at random process every message exactly once', async () => {
      const domain = server.domain()
      const log = await connectLog({ url: server.url, domain })
      onTestFinished(() => log.close())
      await log.createTopic('t', { partitions })
      await log.createTopic('out')
      const running = new Map<ReturnType<typeof spawn>, string>()
      let complaint = ''
      const start = (): void => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url, domain])
        running.set(child, '')
        createInterface({ input: child.stdout }).on('line', line => running.has(child) && running.set(child, line))
        child.stderr.on('data', chunk => (complaint += String(chunk)))
        onTestFinished(() => void child.kill('SIGKILL'))
      }
      const shared = (): number => [...running.values()].filter(line => line.length === '0,1'.length).length
      const values: string[] = []
      for (const _ of [1, 2, 3]) start()
      for (let round = 0; round < 4; round++) {
        await expect.poll(shared, { timeout: 30_000 }).toBe(3)
        for (let n = 0; n < 40; n++) {
          const value = `${round}.${n}`
          values.push(value)
          await log.append('t', { key: value, value })
        }
        const victim = [...running.keys()][Math.floor(Math.random() * 3)]!
        running.delete(victim)
        victim.kill('SIGKILL')
        await once(victim, 'exit')
        start()
      }
      const out = async (): Promise<string[]> => {
        const { records } = await log.read('out', 0, { from: 0, maxRecords: 10_000 })
        return records.map(({ value }) => Buffer.from(value ?? []).toString()).toSorted()
      }
      await expect.poll(async () => (await out()).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(values.length)
      expect(await out()).toEqual(values.toSorted())
      expect(complaint).toBe('')
    })
  },
  '2.12.0',
)
