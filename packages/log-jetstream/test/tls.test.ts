import { NatsServer, type ServerOptions } from '@aegis/nats-server'
import { expect, it } from 'vitest'
import { describeEachServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'
import { givenCertificates } from './certificates.ts'

async function tlsServer(options: ServerOptions, more = '') {
  const file = await givenCertificates()
  const server = await NatsServer.start({
    ...options,
    configuration: `tls { cert_file: "${file('server.pem')}", key_file: "${file('server.key')}"\n${more.replace('CA', file('ca.pem'))} }`,
  })
  return { file, server, tlsUrl: server.url.replace('nats:', 'tls:') }
}

describeEachServer('TLS', options => {
  it('connects with the right authority, under nats:// and tls://', async () => {
    const { file, server, tlsUrl } = await tlsServer(options)
    await using _server = server
    for (const url of [server.url, tlsUrl]) {
      const log = await connectLog({ url, tls: { caFile: file('ca.pem') } })
      await log.createTopic(url.slice(0, 3))
      await log.close()
    }
  })

  it('refuses a server whose authority is not known, by name', async () => {
    const { tlsUrl, server } = await tlsServer(options)
    await using _server = server
    for (const url of [server.url, tlsUrl]) {
      await expect(connectLog({ url, requestTimeout: 3_000 })).rejects.toMatchObject({
        code: 'CONNECT_FAILED',
        message: expect.stringMatching(/certificate/i),
      })
    }
  })

  it('refuses a certificate of the right authority for another host, by name', async () => {
    const { file, server, tlsUrl } = await tlsServer(options)
    await using _server = server
    const url = tlsUrl.replace('127.0.0.1', 'localhost')
    const refused = connectLog({ url, tls: { caFile: file('ca.pem') }, requestTimeout: 3_000 })
    await expect(refused).rejects.toMatchObject({ code: 'CONNECT_FAILED', message: expect.stringMatching(/altnames/) })
  })

  it('refuses a server without TLS when TLS is asked for, by name', async () => {
    await using server = await NatsServer.start(options)
    const refused = connectLog({ url: server.url.replace('nats:', 'tls:'), requestTimeout: 3_000 })
    await expect(refused).rejects.toMatchObject({ code: 'CONNECT_FAILED', message: expect.stringMatching(/tls/i) })
  })

  it('with a certificate of the client required is refused without, and works with it', async () => {
    const { file, server, tlsUrl: url } = await tlsServer(options, 'ca_file: "CA", verify: true')
    await using _server = server
    const caFile = file('ca.pem')
    const refused = connectLog({ url, tls: { caFile }, requestTimeout: 1_000 })
    await expect(refused).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('certFile'),
    })
    const log = await connectLog({
      url,
      tls: { caFile, certFile: file('client.pem'), keyFile: file('client.key') },
    })
    await log.createTopic('t')
    await log.close()
  })
})
