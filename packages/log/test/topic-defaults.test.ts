import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLog } from '../src/index.ts'

it('gives new topics the defaults of the log, and leaves keyed and internal ones their records', async () => {
  await using log = await openLog({ memory: true, topicDefaults: { retention: '7d', maxMessageSize: '2MB' } })
  const week = 7 * 86_400_000
  expect(await log.createTopic('plain')).toMatchObject({ retention: week, maxMessageSize: 2e6 })
  expect(await log.createTopic('own', { retention: '1d', maxMessageSize: 10 })).toMatchObject({
    retention: week / 7,
    maxMessageSize: 10,
  })
  expect(await log.createTopic('table', { keyed: 'latest' })).toMatchObject({ retention: null, maxMessageSize: 2e6 })
  expect(await log.createTopic('compacted', { cleanup: 'compact' })).toMatchObject({ retention: null, keyed: 'latest' })
  expect(await log.createTopic('$internal')).toMatchObject({ retention: null })
})

it('a default that is changed later makes no existing topic differ', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-defaults-'))
  try {
    for (const retention of ['7d', '14d', undefined]) {
      await using log = await openLog({ dataDir, topicDefaults: retention === undefined ? {} : { retention } })
      await log.createTopic('explicit', { retention: '1d' })
      if (retention === undefined) continue
      expect(await log.createTopic('t')).toMatchObject({ retention: 7 * 86_400_000 })
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

it('refuses defaults that no topic could have', async () => {
  const open = openLog({ memory: true, topicDefaults: { retention: 'soon' } })
  await expect(open).rejects.toMatchObject({ code: 'LOG_INVALID' })
})
