import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type Log, openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'

const lease = 3_000
const total = 40
const isHeld = (text: string): boolean => Number(text) % 5 === 0

// A member in a process of its own. It tells what it takes, and what it has done when that is durable; one that `holds` keeps
// each fifth. It ends when the group has nothing to do any more.
const program = `
import { openLog } from '@aegis/log'
import { connectLog } from '@aegis/log-jetstream'
import { Subscription } from '@aegis/subscription'
const [target, holds] = process.argv.slice(1)
const log = target.startsWith('nats') ? await connectLog({ url: target }) : await openLog({ dataDir: target })
const subscription = await Subscription.open(
  log, 't', ({ value }, { attempts }) => ({ text: Buffer.from(value).toString(), attempts }),
  { groupId: 'g', from: 'earliest', mode: 'shared', lease: ${lease}, sessionTimeout: 1000 })
let handled = []
const running = subscription.run(async ({ text, attempts }) => {
  console.log('took', text, attempts, Date.now())
  await new Promise(resolve => holds === 'holds' && Number(text) % 5 === 0 ? undefined : setImmediate(resolve))
  handled.push(text)
}, { concurrency: 8 })
for await (const partitions of subscription.watchLag({ interval: 20 })) {
  const some = handled
  handled = []
  await subscription.commit()
  for (const text of some) console.log('done', text)
  if (partitions.every(({ lag }) => lag === 0)) void subscription.close()
}
await running
await log.close()
`

interface Taken {
  readonly text: string
  readonly attempts: number
  readonly time: number
}

/** A process that is a member, and what it tells. */
class MemberProcess {
  readonly taken: Taken[] = []
  readonly done: string[] = []
  readonly #child: ChildProcessByStdio<null, Readable, null>
  readonly #ended: Promise<unknown>

  constructor(target: string, holds: boolean) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, target, holds ? 'holds' : 'works'], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    const exited = once(child, 'exit')
    onTestFinished(() => void child.kill('SIGKILL'))
    const reading = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        const [what, text = '', attempts, time] = line.split(' ')
        if (what === 'took') this.taken.push({ text, attempts: Number(attempts), time: Number(time) })
        else this.done.push(text)
      }
    })()
    this.#ended = Promise.all([reading, exited])
  }

  get held(): Taken[] {
    return this.taken.filter(({ text }) => isHeld(text))
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async ended(): Promise<void> {
    await this.#ended
    expect(this.#child.exitCode).toBe(0)
  }
}

async function publishSome(log: Log, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, at) => from + at)
  await log.append(
    't',
    numbers.map(number => ({ value: String(number), partition: number % 4 })),
  )
}

/** Until it has something in its hands, and has done something as well. */
const untilAtWork = (member: MemberProcess, done: number): Promise<void> =>
  expect.poll(() => member.held.length >= 2 && member.done.length >= done).toBe(true)

/** What was done stays done; what was held comes again when its lease has lapsed, once; everything is done in the end. */
function check(killed: MemberProcess, other: MemberProcess): void {
  for (const text of killed.done) expect(other.taken.map(each => each.text)).not.toContain(text)
  const last = new Map(killed.held.map(taken => [taken.text, taken]))
  for (const { text, attempts, time } of last.values()) {
    const again = other.taken.filter(each => each.text === text)
    expect(again).toMatchObject([{ attempts: attempts + 1 }])
    // At least half of the lease was left when it was handed over.
    expect(again[0]!.time - time).toBeGreaterThanOrEqual(lease / 2)
  }
  expect(new Set(other.taken.map(({ text }) => text)).size).toBe(other.taken.length)
  expect(new Set([...killed.taken, ...other.taken].map(({ text }) => text)).size).toBe(total)
}

it('a process that is killed in shared mode (BullMQ#652: its jobs stay active) gives what it had to the next when its lease has lapsed, and that alone', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  {
    await using log = await openLog({ dataDir })
    await log.createTopic('t', { partitions: 4 })
    await publishSome(log, 0, total)
  }
  const killed = new MemberProcess(dataDir, true)
  await untilAtWork(killed, 3)
  await killed.kill()
  const next = new MemberProcess(dataDir, false)
  await next.ended()
  check(killed, next)
}, 60_000)

describeWithServer(
  'on a cluster',
  () => {
    const server = givenServer()

    it('one of two processes that is killed in shared mode leaves what it had to the other, when its lease has lapsed', async () => {
      await using log = await connectLog({ url: server.url })
      await log.createTopic('t', { partitions: 4 })
      await publishSome(log, 0, total / 2)
      const killed = new MemberProcess(server.url, true)
      // All but what it holds: what is done while partitions move need not be heard.
      await untilAtWork(killed, 16)
      const other = new MemberProcess(server.url, false)
      const members = async () => (await log.describeGroup('g', 't')).members
      await expect.poll(members).toBe(2)
      await publishSome(log, total / 2, total)
      await expect.poll(() => other.taken.length).toBeGreaterThan(0)
      await killed.kill()
      await other.ended()
      check(killed, other)
    })
  },
  '2.12.0',
)
