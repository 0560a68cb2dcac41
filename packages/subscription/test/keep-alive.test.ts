import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'

// Nothing but the loop keeps this program alive; closing the log ends it.
const program = `
import { setTimeout } from 'node:timers/promises'
import { openLog } from '@aegis/log'
import { Subscription } from '@aegis/subscription'
const log = await openLog({ memory: true })
await log.createTopic('t')
const subscription = await Subscription.open(log, 't', record => record, { groupId: 'g' })
let messages = 0
process.on('SIGTERM', () => void log.append('t', { value: null }))
process.on('exit', code => console.log('exit', code, messages))
setTimeout(200, undefined, { ref: false }).then(() => console.log('waiting'))
for await (const _ of subscription) { messages++; break }
await log.close()
`

it('a program that waits for its next message stays alive, and ends when it has left the loop', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (line === 'waiting') child.kill('SIGTERM')
  }
  await exited
  expect(lines).toEqual(['waiting', 'exit 0 1'])
})
