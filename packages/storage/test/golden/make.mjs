// Makes the golden database of the present format, once, when the format is new:
//   node packages/storage/test/golden/make.mjs packages/storage/test/golden/format-1
// It has tables, a log that is not in a table yet, rewritten and deleted keys, and unusual keys and values.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLevel } from '../../dist/index.js'

const dataDir = process.argv[2] ?? ''
/**
 * @param {string | number[]} key
 * @param {string | number[] | Buffer} value
 */
const put = (key, value) => ({ type: /** @type {const} */ ('put'), key: bytes(key), value: bytes(value) })
/** @param {string | number[] | Buffer} from */
const bytes = from => (typeof from === 'string' ? Buffer.from(from) : Uint8Array.from(from))

const first = await openLevel({ dataDir })
await first.commit(Array.from({ length: 200 }, (_, n) => put(`row-${String(n).padStart(3, '0')}`, `first ${n}`)))
await first.commit([
  put('gone', 'deleted later'),
  put('empty', ''),
  put([0, 255, 0], [0, 1, 2]),
  put('ключ', 'значение'),
])
await first.compact(Uint8Array.of(0), Uint8Array.of(255, 255))
await first.close()
const second = await openLevel({ dataDir })
await second.commit([put('row-007', 'second 7'), { type: 'delete', key: Buffer.from('gone') }], {
  durability: 'buffered',
})
await second.commit([put('large', Buffer.alloc(40_000, 'large '))])
await second.close()
for (const name of ['LOCK', 'LOG', 'LOG.old']) await rm(join(dataDir, name), { force: true })
