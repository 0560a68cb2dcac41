import type { Log, Receipt } from '@aegis/log'
import { NetworkProxy } from '@aegis/nats-server'
import { expect, it, onTestFinished, vi } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const day = 86_400_000

describeWithServer(
  'an append of a producer',
  () => {
    const server = givenServer()

    async function opened(domain: string, url = server.url): Promise<Log> {
      const log = await connectLog({ url, domain })
      onTestFinished(() => log.close())
      return log
    }

    const append = (log: Log, sequence: number, count: number, more: object = {}): Promise<Receipt> =>
      log.append(
        't',
        Array.from({ length: count }, (_, n) => ({ key: `k${n % 5}`, value: `${sequence + n}`, ...more })),
        { producer: { id: 'p', sequence } },
      )

    it('that two processes make at once is stored once, and both are told where', async () => {
      const domain = server.domain()
      const logs = [await opened(domain), await opened(domain)] as const
      await logs[0].createTopic('t', { partitions: 3, keyed: 'history' })
      await logs[1].describeTopic('t')
      for (let sequence = 0; sequence < 40; sequence += 10) {
        const [mine, theirs] = await Promise.all(logs.map(log => append(log, sequence, 10)))
        expect(theirs!.positions).toEqual(mine!.positions)
      }
      const counts = await Promise.all(
        Array.from({ length: 5 }, async (_, n) => (await logs[0].history('t', Buffer.from(`k${n}`))).length),
      )
      expect(counts).toEqual([8, 8, 8, 8, 8])
    })

    it('whose answer is lost with the connection, and that is repeated by the next process, is stored once', async () => {
      const domain = server.domain()
      await using proxy = await NetworkProxy.start(Number(new URL(server.url).port))
      const behind = await opened(domain, proxy.url)
      const other = await opened(domain)
      await behind.createTopic('t')
      await other.describeTopic('t')
      await append(behind, 0, 1)
      proxy.silenceServer()
      const lost = append(behind, 1, 3)
      await expect.poll(async () => (await other.read('t', 0, { from: 0 })).records.length).toBe(4)
      const again = await append(other, 1, 3)
      proxy.drop()
      expect((await lost).positions).toEqual(again.positions)
      expect((await other.read('t', 0, { from: 0 })).records.length).toBe(4)
    })

    it('is remembered however many times and places it has, as far as a message has room', async () => {
      const log = await opened(server.domain())
      await log.createTopic('t', { partitions: 20 })
      // Each record at a place and a time of its own: hundreds of kilobytes for each append.
      const scattered = (sequence: number): Promise<Receipt> =>
        log.append(
          't',
          Array.from({ length: 10_000 }, (_, n) => ({ value: 'v', partition: n % 20, timestamp: n })),
          { producer: { id: 'p', sequence } },
        )
      const receipts: Receipt[] = []
      for (let n = 0; n < 6; n++) receipts.push(await scattered(n * 10_000))
      expect((await scattered(50_000)).positions).toEqual(receipts[5]!.positions)
      // Of those before some are known to be there, and nothing is appended again.
      await scattered(20_000).catch(error => expect(error).toMatchObject({ code: 'PRODUCER_DUPLICATE' }))
      const { partitionDetails } = await log.describeTopic('t')
      expect(partitionDetails.reduce((sum, { records }) => sum + records, 0)).toBe(60_000)
    })

    it('is known for seven days, and longer while something of it is left', async () => {
      const log = await opened(server.domain())
      await log.createTopic('t', { retention: '1d' })
      const first = await append(log, 0, 1)
      vi.useFakeTimers({ toFake: ['Date'] })
      onTestFinished(() => void vi.useRealTimers())
      vi.setSystemTime(Date.now() + 6 * day)
      await log.runMaintenance()
      expect((await log.read('t', 0, { from: 0 })).records).toEqual([])
      expect((await append(log, 0, 1)).positions).toEqual(first.positions)
      vi.setSystemTime(Date.now() + 2 * day)
      await log.runMaintenance()
      expect((await append(log, 0, 1)).positions[0]!.offset).toBeGreaterThan(first.positions[0]!.offset)
      await log.alterTopic('t', { retention: null })
      vi.setSystemTime(Date.now() + 100 * day)
      await log.runMaintenance()
      await expect(append(log, 2, 1)).rejects.toMatchObject({ code: 'PRODUCER_SEQUENCE' })
    })
  },
  '2.12.0',
)
