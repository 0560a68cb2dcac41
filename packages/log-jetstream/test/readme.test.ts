import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runReadmeExample } from '../../../tooling/test/readme-example.mjs'
import { describeWithServer, givenServer } from '../../../tooling/test/with-nats-server.ts'

describeWithServer('the README', () => {
  const server = givenServer()
  it('has an example that runs as written', async () => {
    expect(await runReadmeExample(join(import.meta.dirname, '..'), { NATS_URL: server.url })).toBe('first')
  })
})
