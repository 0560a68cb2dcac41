import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NatsServer } from '@aegis/nats-server'
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'
import { expect, it } from 'vitest'
import { describeEachServer } from '../../../tooling/test/with-nats-server.ts'
import { connectLog } from '../src/index.ts'
import { givenFolder } from './certificates.ts'

/** The configuration of a server that trusts one operator with one account, and the account. */
async function operated(): Promise<{ configuration: string; account: KeyPair }> {
  const [operator, account, system] = [createOperator(), createAccount(), createAccount()]
  const limits = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true }
  const jetstream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
  const shop = { limits: { ...limits, ...jetstream } }
  const accountJwt = await encodeAccount('shop', account, shop, { signer: operator })
  const systemJwt = await encodeAccount('system', system, {}, { signer: operator })
  const configuration = `operator: ${await encodeOperator('operator', operator)}
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`
  return { configuration, account }
}

/** The path of a credentials file of a new user whom `account` has signed. */
async function credentialsOf(account: KeyPair): Promise<string> {
  const user = createUser()
  const path = join(await givenFolder(), 'user.creds')
  await writeFile(path, fmtCreds(await encodeUser('user', user, account), user))
  return path
}

describeEachServer('a credentials file', options => {
  it('of a user of the account connects; of a user of another it is refused by name, as is none', async () => {
    const { configuration, account } = await operated()
    await using server = await NatsServer.start({ ...options, configuration })
    const { url } = server
    for (const options of [{ credentialsFile: await credentialsOf(createAccount()) }, {}]) {
      await expect(connectLog({ url, ...options })).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    }
    const log = await connectLog({ url, credentialsFile: await credentialsOf(account) })
    await log.createTopic('t')
    await log.append('t', { value: 'v' })
    expect(await log.endOffset('t')).toBeGreaterThan(0)
    await log.close()
  })

  it('that holds no credentials is refused by name', async () => {
    const { configuration } = await operated()
    await using server = await NatsServer.start({ ...options, configuration })
    const credentialsFile = join(await givenFolder(), 'user.creds')
    await writeFile(credentialsFile, 'nothing of the kind')
    await expect(connectLog({ url: server.url, credentialsFile })).rejects.toMatchObject({
      code: 'CONNECT_INVALID',
      message: expect.stringContaining(credentialsFile),
    })
  })
})
