import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openLog } from '@aegis/log'
import { expect, it } from 'vitest'
import { everything } from './items.ts'

const total = 40

// A consumer of its own that is ended by one of its messages, at once and without a word.
const program = `
import { openLog } from '@aegis/log'
import { Subscription } from '@aegis/subscription'
const [dataDir, mode] = process.argv.slice(1)
const log = await openLog({ dataDir })
const subscription = await Subscription.open(
  log, 't', ({ value }, { attempts }) => ({ text: Buffer.from(value).toString(), attempts }),
  { groupId: 'g', from: 'earliest', mode, maxAttempts: 3, ...(mode === 'shared' && { lease: 300 }) })
const running = subscription.run(({ text, attempts }) => {
  console.log(text, attempts)
  if (text === '20') process.kill(process.pid, 'SIGKILL')
})
// Which messages a round gets depends on what the ones before had acknowledged when they were killed.
for await (const partitions of subscription.watchLag({ interval: 10 })) {
  if (partitions.every(({ lag }) => lag === 0)) void subscription.close()
}
await running
await log.close()
`

for (const mode of ['partitioned', 'shared']) {
  it(`a message that kills its process again and again ends in the dead letters, and it alone (${mode})`, async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'subscription-'))
    const texts = Array.from({ length: total }, (_, at) => String(at))
    {
      await using log = await openLog({ dataDir })
      await log.createTopic('t')
      await log.append(
        't',
        texts.map(value => ({ value })),
      )
    }
    const attempts: string[] = []
    const seen = new Set<string>()
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir, mode], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'exit')
      for await (const line of createInterface({ input: child.stdout })) {
        const [text = '', attempt = ''] = line.split(' ')
        seen.add(text)
        if (text === '20') attempts.push(attempt)
      }
      const [code] = await exited
      if (code === 0) break
    }
    expect(attempts).toEqual(['1', '2', '3'])
    expect(seen.size).toBe(total)
    await using log = await openLog({ dataDir })
    expect(await everything(log, 't.dead')).toEqual(['20'])
    expect((await log.lag('g', 't'))[0]?.lag).toBe(0)
    await rm(dataDir, { recursive: true })
  })
}
