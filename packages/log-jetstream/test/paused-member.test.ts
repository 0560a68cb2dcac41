import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

/**
 * Joins and commits, and when it is told to, commits an output with the position of partition 0 and says what came of it. It has
 * nothing to ask before that, so its own process cannot find out first: the stream must refuse it.
 */
const program = `import { connectLog } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
  const [url, domain] = process.argv.slice(1)
  const log = await connectLog({ url, domain })
  const member = await log.join({ groupId: 'g', topic: 't', sessionTimeout: 500, onAssignment: async () => undefined })
  const commit = (offset, value) =>
    log.transaction(tx => {
      tx.append('out', { value })
      tx.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset, member })
    })
  await commit(1, 'in time')
  process.stdin.once('data', async () => {
    console.log(await commit(2, 'late').then(() => 'committed', error => error.code))
    await log.close()
    process.exit()
  })
  console.log('joined')`

describeWithServer(
  'a member whose process is stopped for longer than its session, and goes on',
  () => {
    const server = givenServer()

    it('has lost its partitions to another, and nothing of what it still commits is stored', async () => {
      const domain = server.domain()
      const log = await connectLog({ url: server.url, domain })
      onTestFinished(() => log.close())
      await log.createTopic('t')
      await log.createTopic('out')
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url, domain])
      onTestFinished(() => void child.kill('SIGKILL'))
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('joined')
      child.kill('SIGSTOP')
      // It waits in the pipe: the first thing that the process does when it goes on.
      child.stdin.write('now\n')
      const member = await log.join({
        groupId: 'g',
        topic: 't',
        sessionTimeout: 500,
        onAssignment: async () => undefined,
      })
      await expect.poll(() => [...member.partitions]).toEqual([0])
      await log.commitPosition({ groupId: 'g', topic: 't', partition: 0, offset: 7, member })
      child.kill('SIGCONT')
      expect((await lines.next()).value).toBe('GENERATION_FENCED')
      expect((await log.committed('g', 't', 0))?.offset).toBe(7)
      const { records } = await log.read('out', 0, { from: 0 })
      expect(records.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(['in time'])
    })
  },
  '2.12.0',
)
