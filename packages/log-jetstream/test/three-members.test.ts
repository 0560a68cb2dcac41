import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const partitions = 6
const sessionTimeout = 1_000

/**
 * Follows what it is given and commits, for each record, an output that says which it was, who has handled it and since when,
 * with the position after it. Each line says what the process has, or what was refused to it.
 */
const program = `import { connectLog } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const [url, domain, name] = process.argv.slice(1)
  const log = await connectLog({ url, domain })
  const member = await log.join({
    groupId: 'g', topic: 't', sessionTimeout: ${sessionTimeout}, onAssignment: async () => undefined
  })
  for (;;) {
    for (const partition of member.partitions) {
      const from = (await log.committed('g', 't', partition))?.offset ?? 0
      const { records } = await log.read('t', partition, { from, maxRecords: 1 })
      for (const { value, offset } of records) {
        const began = performance.timeOrigin + performance.now()
        // Long enough for the process to be stopped in the middle of it: then it commits before it hears of anything.
        await new Promise(resolve => setTimeout(resolve, 20))
        const output = JSON.stringify({ value: Buffer.from(value).toString(), partition, name, began })
        const position = { groupId: 'g', topic: 't', partition, offset: offset + 1, member }
        await log.transaction(tx => { tx.append('out', { value: output }); tx.commitPosition(position) }).catch(error => {
          if (!['GENERATION_FENCED', 'TRANSACTION_CONFLICT'].includes(error.code)) throw error
          console.log('refused ' + error.code)
        })
      }
    }
    console.log([...member.partitions].join())
    await new Promise(resolve => setTimeout(resolve, 5))
  }`

interface Output {
  readonly value: string
  readonly partition: number
  readonly name: string
  /** When the process began with it, and when the stream stored what it has made of it: milliseconds of one machine's clock. */
  readonly began: number
  readonly stored: number
}

/** Work of two members on one partition that was stored although the one had begun before the other's was stored. */
function overlaps(outputs: readonly Output[]): string[] {
  const last = new Map<number, Output>()
  const found: string[] = []
  for (const output of outputs) {
    const before = last.get(output.partition)
    last.set(output.partition, output)
    if (before === undefined || before.name === output.name || output.began >= before.stored) continue
    found.push(`${output.name} began ${output.value} at ${output.began}, ${before.name} stored ${before.value} later`)
  }
  return found
}

describeWithServer(
  'three processes of one group, killed, stopped and joined at random',
  () => {
    const server = givenServer()

    it('process every message exactly once, and none has begun a partition before the other’s last work in it is stored', async () => {
      const domain = server.domain()
      const log = await connectLog({ url: server.url, domain })
      onTestFinished(() => log.close())
      await log.createTopic('t', { partitions })
      await log.createTopic('out')
      const running = new Map<ChildProcess, string>()
      let complaint = ''
      let started = 0
      const start = (): void => {
        const name = `m${++started}`
        const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url, domain, name])
        running.set(child, '')
        createInterface({ input: child.stdout }).on('line', line => {
          if (running.has(child) && !line.startsWith('refused')) running.set(child, line)
        })
        child.stderr.on('data', chunk => (complaint += String(chunk)))
        onTestFinished(() => void child.kill('SIGKILL'))
      }
      const shared = (): number => [...running.values()].filter(line => line.length === '0,1'.length).length
      const values: string[] = []
      const publish = async (round: number): Promise<void> => {
        for (let n = 0; n < 40; n++) {
          const value = `${round}.${n}`
          values.push(value)
          await log.append('t', { key: value, value })
        }
      }
      for (const _ of [1, 2, 3]) start()
      for (let round = 0; round < 6; round++) {
        await expect.poll(shared).toBe(3)
        const victim = [...running.keys()][Math.floor(Math.random() * 3)]!
        if (round % 2 === 0) {
          await publish(round)
          running.delete(victim)
          victim.kill('SIGKILL')
          await once(victim, 'exit')
          start()
        } else {
          await publish(round)
          victim.kill('SIGSTOP')
          running.set(victim, 'stopped')
          // The others take what it had; then it goes on in the middle of what it was doing.
          await expect.poll(() => [...running.values()].filter(line => line.length === '0,1,2'.length).length).toBe(2)
          victim.kill('SIGCONT')
        }
      }
      const out = async (): Promise<{ offset: number; value: Uint8Array | null }[]> => [
        ...(await log.read('out', 0, { from: 0, maxRecords: 10_000 })).records,
      ]
      await expect.poll(async () => (await out()).length).toBeGreaterThanOrEqual(values.length)
      const connection = await connect({ servers: server.url })
      onTestFinished(() => connection.close())
      const manager = await jetstreamManager(connection)
      const outputs = await Promise.all(
        (await out()).map(async ({ offset, value }): Promise<Output> => {
          const message = await manager.streams.getMessage(domain, { seq: Math.floor(offset / 65_536) })
          return { ...JSON.parse(Buffer.from(value!).toString()), stored: Date.parse(message!.timestamp) }
        }),
      )
      expect(outputs.map(({ value }) => value).toSorted()).toEqual(values.toSorted())
      expect(overlaps(outputs)).toEqual([])
      expect(complaint).toBe('')
    })
  },
  '2.12.0',
)
