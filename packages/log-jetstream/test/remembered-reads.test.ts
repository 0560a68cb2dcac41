import type { Log, Transaction } from '@aegis/log'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'

const key = Buffer.from('k')
const text = (value: Uint8Array | null | undefined): string => Buffer.from(value ?? []).toString()

/** Ways of reading and writing one text by a key. */
const kinds: Record<
  string,
  {
    read(tx: Pick<Transaction, 'get' | 'getState' | 'history'>): Promise<string>
    write(log: Log, value: string): unknown
  }
> = {
  state: {
    read: async tx => text(await tx.getState('s', key)),
    write: (log, value) => log.transaction(tx => tx.putState('s', key, Buffer.from(value))),
  },
  'a row': {
    read: async tx => text((await tx.get('rows', key))?.value),
    write: (log, value) => log.append('rows', { key, value }),
  },
  'a history': {
    read: async tx => text((await tx.history('streams', key)).at(-1)?.value),
    write: (log, value) => log.append('streams', { key, value }),
  },
}

describeWithServer(
  'a transaction that reads what its process has written itself',
  () => {
    const server = givenServer()

    /** Two processes' logs of one domain; the first knows what it has written. */
    async function twoLogs(): Promise<[Log, Log]> {
      const domain = server.domain()
      const logs = [
        await connectLog({ url: server.url, domain }),
        await connectLog({ url: server.url, domain }),
      ] as const
      onTestFinished(async () => void (await Promise.all(logs.map(log => log.close()))))
      await logs[0].createTopic('rows', { keyed: 'latest' })
      await logs[0].createTopic('streams', { keyed: 'history' })
      await logs[1].describeTopic('rows')
      await logs[1].describeTopic('streams')
      return [...logs]
    }

    for (const [kind, { read, write }] of Object.entries(kinds)) {
      it(`commits only on top of what another has made of it, without being an attempt: ${kind}`, async () => {
        const [log, other] = await twoLogs()
        await write(log, 'own')
        expect(await log.transaction(read)).toBe('own')
        await write(other, 'of another')
        const seen: string[] = []
        await log.transaction(
          async tx => {
            seen.push(await read(tx))
            tx.putState('result', key, Buffer.from(seen.at(-1)!))
          },
          { retries: 0 },
        )
        expect(seen).toEqual(['own', 'of another'])
        expect(text(await log.getState('result', key))).toBe('of another')
      })

      it(`is told the truth also when it writes nothing, or throws for what it has read: ${kind}`, async () => {
        const [log, other] = await twoLogs()
        await write(log, 'own')
        await write(other, 'of another')
        expect(await log.transaction(read, { retries: 0 })).toBe('of another')
        await write(other, 'of another again')
        const refusing = log.transaction(
          async tx => {
            throw new Error(await read(tx))
          },
          { retries: 0 },
        )
        await expect(refusing).rejects.toThrow('of another again')
      })
    }

    it('may do with the bytes what it likes', async () => {
      const [log] = await twoLogs()
      for (const { write } of Object.values(kinds)) await write(log, 'own')
      for (const _ of [1, 2]) {
        await log.transaction(async tx => {
          const read = [await tx.getState('s', key), (await tx.get('rows', key))?.value]
          expect(read.map(text)).toEqual(['own', 'own'])
          for (const value of read) value?.fill(0)
        })
      }
    })
  },
  '2.12.0',
)
