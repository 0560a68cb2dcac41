import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { connectLog } from '@aegis/log-jetstream'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { publish, subscribe } from './items.ts'

/** Takes a message, and when it is told to, asks at once for all others, which it has fetched long since. */
const program = `
import { connectLog } from '@aegis/log-jetstream'
import { Subscription } from '@aegis/subscription'
const [url, domain, how] = process.argv.slice(1)
const log = await connectLog({ url, domain })
const subscription = await Subscription.open(log, 't', ({ value }, { ack }) => ({ text: Buffer.from(value).toString(), ack }), {
  groupId: 'g', from: 'earliest', sessionTimeout: 500 })
const told = new Promise(resolve => process.stdin.once('data', resolve))
if (how === 'iterator') {
  for await (const { text, ack } of subscription) {
    ack()
    if (text === 'a') {
      await subscription.commit()
      console.log(text)
      await told
    } else console.log(text)
  }
} else {
  await subscription.run(async ({ text }) => {
    console.log(text)
    if (text === 'a') await told
  }, { order: 'partition' })
}
`

describeWithServer('a process that is stopped for longer than its session, and goes on', () => {
  const server = givenServer()

  it.each(['iterator', 'run'])(
    'hands nothing over by its %s of what it had fetched, for that is another’s',
    async how => {
      const domain = server.domain()
      await using log = await connectLog({ url: server.url, domain })
      await log.createTopic('t')
      await publish(log, 'a', 'b', 'c')
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url, domain, how], {
        cwd: import.meta.dirname,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('a')
      child.kill('SIGSTOP')
      // It waits in the pipe: the first thing that the process does when it goes on.
      child.stdin.write('now\n')
      const other = await subscribe(log, { groupId: 'g', sessionTimeout: 500 })
      const taken: string[] = []
      for await (const item of other) {
        taken.push(item.text)
        item.ack()
        if (item.text === 'c') break
      }
      expect(taken.slice(-2)).toEqual(['b', 'c'])
      child.kill('SIGCONT')
      await publish(log, 'd')
      expect((await lines.next()).value).toBe('d')
    },
  )
})
