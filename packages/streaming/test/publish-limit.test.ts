import { expect, it } from 'vitest'
import { StreamingEngine } from '../src/index.ts'

it('what is published beyond the limit is refused where that was asked for', async () => {
  await using engine = await StreamingEngine.open({ memory: true, publishLimit: { bytes: 1000, whenFull: 'fail' } })
  await engine.createTopic('t')
  const payload = 'x'.repeat(600)
  const [first, second] = await Promise.allSettled([1, 2].map(() => engine.publish('t', { payload })))
  expect(first!.status).toBe('fulfilled')
  expect(second).toMatchObject({ reason: { code: 'PUBLISH_LIMIT' } })
  await engine.publish('t', { payload })
})

it('what is to become of messages beyond a limit takes a limit', async () => {
  const publishLimit = { whenFull: 'fail' } as never
  await expect(StreamingEngine.open({ memory: true, publishLimit })).rejects.toMatchObject({
    code: 'ENGINE_INVALID',
    message: expect.stringContaining('publishLimit.bytes'),
  })
})
