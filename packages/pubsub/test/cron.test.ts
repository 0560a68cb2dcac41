import { describe, expect, it } from 'vitest'
import type { CatchUp, CronScheduleOptions } from '../src/index.ts'
import { given } from './given.ts'

const minute = 60_000
const everyTen: CronScheduleOptions = { topic: 't', message: { payload: 'tick' }, cron: '*/10 * * * *' }

describe('a cron schedule', () => {
  it('publishes at each occurrence, with its time, once in however many processes', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const start = g.clock.time
    const schedule = await g.pubsub.schedules.set('ticks', { ...everyTen, message: { payload: 'tick', ttl: '16m' } })
    expect(schedule).toEqual({
      topic: 't',
      id: 'ticks',
      dueAt: start + 10 * minute,
      cron: '*/10 * * * *',
      timeZone: 'UTC',
    })
    const other = g.another()
    for (let at = 0; at < 35; at++) {
      g.clock.pass(minute)
      await Promise.all([g.pubsub.runMaintenance(), other.runMaintenance()])
    }
    // The first has expired meanwhile: its time to live began with its occurrence.
    expect((await g.pubsub.history('t')).map(({ timestamp }) => timestamp)).toEqual([
      start + 20 * minute,
      start + 30 * minute,
    ])
    expect((await g.log.read('t', 0, { from: 0 })).records).toHaveLength(3)
    expect(await g.pubsub.schedules.list()).toEqual([{ ...schedule, dueAt: start + 40 * minute }])
  })

  it('goes on as it is when the program is run again, and changes with its settings', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const first = await g.pubsub.schedules.set('ticks', everyTen)
    g.clock.pass(5 * minute)
    expect(await g.another().schedules.set('ticks', everyTen)).toEqual(first)
    const changed = await g.pubsub.schedules.set('ticks', { ...everyTen, cron: '0 12 * * *', timeZone: 'Asia/Tokyo' })
    expect(changed.dueAt).toBe(Date.UTC(2030, 0, 1, 3))
    expect(await g.pubsub.schedules.list()).toEqual([changed])
    g.clock.pass(10 * minute)
    await g.pubsub.runMaintenance()
    expect(await g.payloads('t')).toEqual([])
  })

  it('ends when it is cancelled', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    await g.pubsub.schedules.set('ticks', everyTen)
    expect(await g.pubsub.schedules.cancel('ticks')).toBe(true)
    expect(await g.pubsub.schedules.cancel('ticks')).toBe(false)
    g.clock.pass(30 * minute)
    await g.pubsub.runMaintenance()
    expect([await g.payloads('t'), await g.pubsub.schedules.list()]).toEqual([[], []])
  })

  it.each<[CatchUp, number[]]>([
    ['latest', [50, 60]],
    ['all', [10, 20, 30, 40, 50, 60]],
    ['none', [60]],
  ])('after a time when nothing ran catches up with %s', async (catchUp, expected) => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const start = g.clock.time
    await g.pubsub.schedules.set('ticks', { ...everyTen, catchUp })
    g.clock.pass(55 * minute)
    await g.pubsub.runMaintenance()
    g.clock.pass(5 * minute)
    await g.pubsub.runMaintenance()
    expect((await g.pubsub.history('t')).map(({ timestamp }) => (timestamp - start) / minute)).toEqual(expected)
  })

  it('takes seconds, and follows its time zone when the clocks change', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const seconds = await g.pubsub.schedules.set('seconds', { ...everyTen, cron: '30 0 0 * * *' })
    expect(seconds.dueAt).toBe(g.clock.time + 30_000)
    const daily = { ...everyTen, cron: '0 9 * * *', timeZone: 'Europe/Vienna' }
    g.clock.time = Date.UTC(2030, 2, 30, 12)
    expect((await g.pubsub.schedules.set('daily', daily)).dueAt).toBe(Date.UTC(2030, 2, 31, 7))
    g.clock.time = Date.UTC(2030, 2, 29, 12)
    expect((await g.pubsub.schedules.set('daily', { ...daily, catchUp: 'all' })).dueAt).toBe(Date.UTC(2030, 2, 30, 8))
  })

  it('says what is wrong with it', async () => {
    await using g = await given()
    await g.pubsub.createTopic('t')
    const wrong: [string, object][] = [
      ['ticks', { cron: 'every day' }],
      ['ticks', { cron: '61 * * * *' }],
      ['ticks', { cron: '0 0 30 2 *' }],
      ['ticks', { timeZone: 'Mars/Olympus' }],
      ['ticks', { catchUp: 'some' }],
      ['ticks', { message: { payload: 1, messageId: 'x' } }],
      ['ticks', { message: { payload: 1, delay: 1 } }],
      ['', {}],
      ['$x', {}],
      ['\ud800', {}],
    ]
    for (const [name, options] of wrong) {
      await expect(g.pubsub.schedules.set(name, { ...everyTen, ...options })).rejects.toMatchObject({
        code: 'SCHEDULE_INVALID',
      })
    }
    await expect(g.pubsub.schedules.set('x', { ...everyTen, topic: 'none' })).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
    })
    await expect(g.pubsub.schedules.set('x', { ...everyTen, message: { payload: undefined } })).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
    })
    expect(await g.pubsub.schedules.list()).toEqual([])
  })
})
