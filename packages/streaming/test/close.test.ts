import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProjections } from '@aegis/eventstore/projections'
import { expect, it, onTestFinished } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

async function folder(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'aegis-close-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}

it('handlers of any kind that never return are given up in time, and what they had is delivered again by the next start', async () => {
  const dataDir = await folder()
  const begun = new Set<string>()
  const stuck = (what: string) => (): Promise<void> => {
    begun.add(what)
    return new Promise(() => undefined)
  }
  const from = 'earliest'
  const engine = await StreamingEngine.open({ dataDir })
  await engine.createTopic('t')
  const rows = await engine.cdc.table<{ id: number }>('rows', { primaryKey: 'id' })
  await engine.publish('t', { payload: 1 })
  await rows.insert({ id: 1 })
  await engine.events.append('account-1', { type: 'Opened', data: {} })
  const running = [
    (await engine.subscribe('t', { groupId: 'g', from })).run(stuck('message')),
    (await engine.subscribe('t', { groupId: 'q', from, mode: 'shared' })).run(stuck('job')),
    (await engine.subscribe('t', { groupId: 'x', from, delivery: 'exactly-once' })).run(stuck('transaction')),
    (await rows.subscribe({ groupId: 'g', from })).run(stuck('change')),
    (await engine.events.subscribe('account-*', { groupId: 'g', from })).run(stuck('event')),
  ]
  const consumer = await engine.events.consume('account-*', { groupId: 'c', from }, stuck('consumed event'))
  await startProjections(engine.events, [{ name: 'p', streams: 'account-*', apply: stuck('projection') }])
  await expect.poll(() => begun.size).toBe(7)

  // This one waits for ever, and does not keep the other from giving up.
  const patient = engine.close()
  await engine.close({ timeout: 20 })
  await Promise.all([patient, ...running, consumer.closed])

  await using again = await StreamingEngine.open({ dataDir })
  const seen = new Set<string>()
  const next = (what: string) => (): void => void seen.add(what)
  const moreRows = await again.cdc.table<{ id: number }>('rows', { primaryKey: 'id' })
  void (await again.subscribe('t', { groupId: 'g' })).run(next('message'))
  void (await again.subscribe('t', { groupId: 'q', mode: 'shared' })).run(next('job'))
  void (await again.subscribe('t', { groupId: 'x', delivery: 'exactly-once' })).run(next('transaction'))
  void (await moreRows.subscribe({ groupId: 'g' })).run(next('change'))
  void (await again.events.subscribe('account-*', { groupId: 'g' })).run(next('event'))
  await again.events.consume('account-*', { groupId: 'c' }, next('consumed event'))
  await startProjections(again.events, [{ name: 'p', streams: 'account-*', apply: next('projection') }])
  await expect.poll(() => [...seen].toSorted()).toEqual([...begun].toSorted())
})

it('a timeout that is none is refused before anything is closed', async () => {
  await using engine = await StreamingEngine.open({ memory: true })
  await expect(engine.close({ timeout: 'soon' })).rejects.toMatchObject({ code: 'ENGINE_INVALID' })
  await engine.createTopic('t')
})
