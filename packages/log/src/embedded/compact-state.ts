import { stateRange } from './keyed-reads.ts'
import type { Sequencer } from './sequencer.ts'
import type { StoredReads } from './stored-reads.ts'

/** Takes what a private key space no longer has out of the files. */
export async function compactState(storage: StoredReads, sequencer: Sequencer, space: string): Promise<void> {
  const { gte, lt } = stateRange(space, new Uint8Array())
  // LevelDB rewrites a level only into a deeper one that has files: what lies deepest, deleted values among it, would
  // stay as it is. A table that spans the range, of deletions of keys that nobody can have, lies above it then.
  const below = gte.subarray(0, -1)
  await storage.compact(below, lt)
  await sequencer.write(stage => {
    stage.delete(below)
    stage.delete(lt)
  })
  await storage.compact(below, lt)
}
