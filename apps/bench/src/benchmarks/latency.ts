import { openLog } from '@aegis/log'
import { PubSub } from '@aegis/pubsub'
import type { Benchmark } from '../benchmark.ts'
import { order } from '../data.ts'
import { timesRow } from '../measure.ts'
import { PlainFile } from '../plain-file.ts'

export const benchmark: Benchmark = {
  about: 'How long one message waits alone, against a bare write of as many bytes',
  async run({ folder, size }) {
    await using log = await openLog({ dataDir: await folder() })
    const pubsub = new PubSub(log)
    await pubsub.createTopic('orders')
    using file = new PlainFile(await folder())
    const bytes = Buffer.alloc(110, 1)
    const [ours, plain]: [number[], number[]] = [[], []]
    const rounds = size(2_000)
    // In turns of a few, so that both meet the disk in the same mood; the first tenth warms up.
    for (let round = 0; round < rounds; round += 10) {
      for (let n = 0; n < 10; n++) {
        const began = performance.now()
        await pubsub.publish('orders', { payload: order(n) })
        if (round >= rounds / 10) ours.push(performance.now() - began)
      }
      for (let n = 0; n < 10; n++) {
        const began = performance.now()
        file.append(bytes)
        file.sync()
        if (round >= rounds / 10) plain.push(performance.now() - began)
      }
    }
    const work = 'publish one message at a time, fsync'
    return [
      timesRow(`${work}: half take less than`, ours, 0.5, 'write 110 bytes + fdatasync', plain),
      timesRow(`${work}: 99 % take less than`, ours, 0.99, 'write 110 bytes + fdatasync', plain),
    ]
  },
}
