import { connectLog } from '@aegis/log-jetstream'
import { NatsServer, NetworkProxy } from '@aegis/nats-server'
import { expect, it, onTestFinished } from 'vitest'
import { describeWithServer } from '../../../tooling/test/with-nats-server.ts'
import { PubSub } from '../src/index.ts'

/** Pub/sub over a network that can fail. */
async function behindProxy(requestTimeout = 30_000) {
  const server = await NatsServer.start()
  const proxy = await NetworkProxy.start(server.port)
  const log = await connectLog({ url: proxy.url, requestTimeout })
  const pubsub = new PubSub(log)
  onTestFinished(async () => {
    proxy.restore()
    await pubsub.close()
    await log.close()
    await proxy[Symbol.asyncDispose]()
    await server.stop()
  })
  await pubsub.createTopic('t')
  await pubsub.createTopic('u')
  const stored = async (topic: string) => (await pubsub.history<number>(topic)).map(({ payload }) => payload)
  return { server, proxy, pubsub, stored }
}

/** Until the server has these, though we do not hear it. */
async function untilStored(url: string, topic: string, texts: readonly string[]): Promise<void> {
  const log = await connectLog({ url })
  const stored = async (): Promise<string[]> =>
    (await log.read(topic, 0, { from: 0 })).records.map(({ value }) => Buffer.from(value!).toString())
  await expect.poll(stored).toEqual(expect.arrayContaining([...texts]))
  await log.close()
}

describeWithServer(
  'publishing on a cluster, when the answer is lost',
  () => {
    it('stores each message once, without anybody asking for it: alone, in a list, to several topics, by id and later', async () => {
      const { server, proxy, pubsub, stored } = await behindProxy()
      // What is known of the topics and connections is not what is tried here.
      await pubsub.publish('t', { payload: 0 })
      proxy.silenceServer()
      const published = [
        pubsub.publish('t', { payload: 1 }),
        pubsub.publishMany('t', [{ payload: 2 }, { payload: 3 }]),
        pubsub.publishTo(['t', { payload: 4 }], ['u', { payload: 4 }]),
      ]
      await untilStored(server.url, 't', ['1', '4'])
      // These ask first, and so wait for the connection.
      const asked = [
        pubsub.publish('t', { payload: 5, messageId: 'five' }),
        pubsub.publish('t', { payload: 6, deliverAt: 0 }),
      ]
      proxy.drop()
      await Promise.all([...published, ...asked])
      await pubsub.runMaintenance()
      expect((await stored('t')).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6])
      expect(await stored('u')).toEqual([4])
    })

    it('and does not come again in time, is rejected; with a messageId it can be published again by whoever does not know', async () => {
      const { server, proxy, pubsub, stored } = await behindProxy(1_000)
      await pubsub.publish('t', { payload: 'first', messageId: 'first' })
      const message = { payload: 'once', messageId: 'once' }
      proxy.silenceServer()
      const unclear = [pubsub.publish('t', { payload: 'unclear' }), pubsub.publish('t', message)]
      const codes = await Promise.all(unclear.map(each => each.then(String, ({ code }) => code)))
      expect(codes).toEqual(['CLUSTER_UNREACHABLE', 'CLUSTER_UNREACHABLE'])
      proxy.drop()
      await expect.poll(() => pubsub.publish('t', message).then(() => 'there', String)).toBe('there')
      // After another program has asked, too.
      const log = await connectLog({ url: server.url })
      const other = new PubSub(log)
      expect(await other.publish('t', message)).toMatchObject({ duplicate: true })
      await other.close()
      await log.close()
      expect((await stored('t')).filter(payload => String(payload) === 'once')).toEqual(['once'])
    })
  },
  '2.12.0',
)
