import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const examples = join(import.meta.dirname, '..')

/** What an example prints, started twice in one folder: the second time as the first. */
async function output(name: string): Promise<string[]> {
  const cwd = await mkdtemp(join(tmpdir(), 'aegis-example-'))
  try {
    await cp(join(examples, 'aegis.toml'), join(cwd, 'aegis.toml'))
    const run = async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(examples, 'dist', `${name}.js`)], {
        cwd,
      })
      expect(stderr).toBe('')
      return stdout.trimEnd().split('\n')
    }
    const first = await run()
    expect(await run()).toEqual(first)
    return first
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}

describe.concurrent('each example prints the same the second time as the first', { timeout: 300_000 }, () => {
  it('pub-sub', async () => {
    expect(await output('pub-sub')).toEqual([
      "order-123 { id: '123', amount: 99.99 } USD",
      "order-123 { id: '123', amount: 5 } EUR",
      "order-123 { id: '123', amount: 7 } USD",
    ])
  })

  it('scheduling', async () => {
    expect(await output('scheduling')).toEqual([
      'the same place: true - again: true',
      'how was it?',
      'report at 0 8 * * MON-FRI Europe/Vienna',
      '{ cents: 300 }',
    ])
  })

  it('change-data-capture', async () => {
    expect(await output('change-data-capture')).toEqual([
      "now { id: 1, name: 'Ada L.' }",
      "insert { id: 1, name: 'Ada' }",
      "update { id: 1, name: 'Ada' } -> { id: 1, name: 'Ada L.' }",
      "delete { id: 1, name: 'Ada L.' }",
    ])
  })

  it('event-sourcing', async () => {
    expect(await output('event-sourcing')).toEqual([
      'Alice has 30',
      'AccountCreated account-123 0',
      'MoneyDeposited account-123 1',
      'MoneyWithdrawn account-123 2',
    ])
  })

  it('deciders', async () => {
    expect(await output('deciders')).toEqual([
      '0 HallOpened 3',
      '1 SeatTaken 1 Ada',
      '2 SeatTaken 2 Grace',
      '3 SeatTaken 3 Edsger',
      '3 of 3 taken',
    ])
  })

  it('emmett', async () => {
    expect(await output('emmett')).toEqual([
      'the cart is confirmed',
      'conflict: true Expected version 3 does not match current 4',
      '2 shoes',
      '3 socks',
    ])
  })

  it('projection', async () => {
    expect(await output('projection')).toEqual(['balance 25', 'rebuilt 25'])
  })

  it('workflow', async () => {
    expect(await output('workflow')).toEqual(['order 1 Confirmed', 'order 2 Cancelled'])
  })

  it('privacy', async () => {
    expect(await output('privacy')).toEqual(['1 forgotten gold', '2 Grace silver'])
  })

  it('transaction', async () => {
    expect(await output('transaction')).toEqual([
      'published ada { total: 5 }',
      "stored { id: 1, name: 'Ada', orders: 1 }",
      'orders 2',
      'changed my mind - Ada is still here: true',
    ])
  })

  it('stream-processing', async () => {
    expect(await output('stream-processing')).toEqual([
      'from minute 0: { totalPurchases: 2, totalAmount: 12 }',
      'from minute 5: { totalPurchases: 1, totalAmount: 9 }',
    ])
  })

  it('exactly-once', async () => {
    expect(await output('exactly-once')).toEqual(['{ order: 1, due: 5 }', '{ order: 2, due: 7 }'])
  })

  it('config', async () => {
    expect(await output('config')).toEqual([
      'orders stay 7 days',
      'maxMessageSize is "1 potato": give bytes or a text such as "1MB" (B, KB, MB, GB), at least 1',
    ])
  })

  it('standalone-packages', async () => {
    expect(await output('standalone-packages')).toEqual(["signed up: Ada { id: 1, name: 'Ada' }"])
  })

  it('kafka-batches', async () => {
    expect(await output('kafka-batches')).toEqual(['42 order-123 {"amount":5} []', "43 null no key [ 'unit=g' ]"])
  })
})
