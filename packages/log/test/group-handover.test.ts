import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

it('a partition changes hands only when the last commit of its former member is durable, or refused', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-handover-'))
  const log = await openLog({ dataDir })
  await log.createTopic('t')
  const position = { groupId: 'g', topic: 't', partition: 0 }
  // The member leaves so many turns after it has begun to commit: before the commit is decided, while it is written, after it.
  for (let turns = 0; turns < 60; turns++) {
    const first = await log.join({ groupId: 'g', topic: 't', onAssignment: async () => undefined })
    let seen = -1
    const second = await log.join({
      groupId: 'g',
      topic: 't',
      onAssignment: async () => {
        seen = (await log.committed('g', 't', 0))?.offset ?? 0
      },
    })
    const committing = log.commitPosition({ ...position, offset: turns + 1, member: first }).then(
      () => true,
      () => false,
    )
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    await first.leave()
    if (await committing) expect(seen, `${turns} turns`).toBe(turns + 1)
    expect((await log.committed('g', 't', 0))?.offset ?? 0, `${turns} turns`).toBe(seen)
    await second.leave()
  }
  await log.close()
  await rm(dataDir, { recursive: true })
})
