import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

import type { KeyRange } from '../damaged-keys.ts'
import { type Table, userKey } from './manifest.ts'
import { maskedChecksum } from './record-log.ts'
import { unsnap } from './snappy.ts'

const footerBytes = 48
/** Type of compression and checksum, behind each block. */
const trailerBytes = 5
const magic = 0xdb4775248b80fb57n
/** A bound for what a damaged length may ask for; the index of a 64 MB table is far below. */
const largestBlock = 64 << 20
/** Read at once. */
const stepBytes = 1 << 20

interface Block {
  readonly offset: number
  readonly size: number
  /** What damage of it may hide. */
  readonly keys: KeyRange
}

export interface BlockDamage {
  readonly offset: number
  readonly reason: string
  /** What it may hide. */
  readonly keys: KeyRange
}

export interface TableFile {
  readonly name: string
  readonly handle: FileHandle
}

export const tableName = (number: number, ending = 'ldb') => `${String(number).padStart(6, '0')}.${ending}`

/** The file of a table; those of old versions of LevelDB end in `sst`. Undefined when it is not there. */
export async function openTable(folder: string, number: number): Promise<TableFile | undefined> {
  for (const name of [tableName(number), tableName(number, 'sst')]) {
    try {
      return { name, handle: await open(join(folder, name), 'r') }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}

/**
 * The blocks of a table that do not have their checksum.
 * Source: leveldb doc/table_format.md.
 * @param onRead called with the bytes of each step, about a megabyte; what it returns is awaited
 */
export async function* damagedBlocks(
  file: FileHandle,
  { bytes: size, keys }: Table,
  onRead?: (bytes: number) => Promise<void> | void,
): AsyncGenerator<BlockDamage> {
  const found = (await file.stat()).size
  if (found !== size) {
    return yield { offset: Math.min(found, size), reason: `it has ${found} bytes, it had ${size}`, keys }
  }
  const footer = await readAt(file, size - footerBytes, footerBytes)
  const [meta, at] = blockHandle(footer, 0, keys)
  const [index] = blockHandle(footer, at, keys)
  if (footer.readBigUInt64LE(footerBytes - 8) !== magic || end(index) !== size - footerBytes) {
    return yield { offset: size - footerBytes, reason: 'the footer is damaged', keys }
  }
  const blocks: Block[] = []
  for (const block of [index, meta]) {
    const content = intactBlock(await readAt(file, block.offset, block.size + trailerBytes))
    if (content === undefined) {
      yield { offset: block.offset, reason: 'an index block does not have its checksum', keys }
      // Without it nothing else can be found.
      return
    }
    // Only the index is by key: a filter, which the other one leads to, speaks for the whole table.
    blocks.push(...handlesIn(content, keys, { byKey: block === index }))
  }
  blocks.sort((a, b) => a.offset - b.offset)
  for (let from = 0; from < blocks.length; ) {
    const start = blocks[from]!.offset
    let to = from + 1
    while (to < blocks.length && end(blocks[to]!) - start <= stepBytes) to++
    const bytes = await readAt(file, start, end(blocks[to - 1]!) - start)
    for (const { offset, size: length, keys: hidden } of blocks.slice(from, to)) {
      const block = bytes.subarray(offset - start, offset - start + length + trailerBytes)
      if (!hasChecksum(block)) yield { offset, reason: 'a block does not have its checksum', keys: hidden }
    }
    await onRead?.(bytes.length)
    from = to
  }
}

const end = ({ offset, size }: Block) => offset + size + trailerBytes

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, length))
  if (position >= 0 && length > 0) await file.read(bytes, 0, length, position)
  return bytes
}

function hasChecksum(block: Buffer): boolean {
  const checked = block.length - 4
  return checked >= 1 && maskedChecksum(block.subarray(0, checked)) === block.readUInt32LE(checked)
}

/** What is in a block, decompressed. */
function intactBlock(block: Buffer): Buffer | undefined {
  if (!hasChecksum(block)) return undefined
  const content = block.subarray(0, block.length - trailerBytes)
  if (block[block.length - trailerBytes] === 0) return content
  const plain = unsnap(content, largestBlock)
  return plain && Buffer.from(plain.buffer)
}

/**
 * The entries of an index block are keys and the handles of other blocks; keys share their beginnings. In the index of the
 * data a block has the keys behind the entry before, up to its own.
 */
function handlesIn(block: Buffer, keys: KeyRange, { byKey }: { byKey: boolean }): Block[] {
  const blocks: Block[] = []
  const restarts = block.readUInt32LE(block.length - 4)
  let key: Buffer = Buffer.alloc(0)
  let first = keys.first
  for (let at = 0; at < block.length - 4 - 4 * restarts; ) {
    const [shared, afterShared] = varint(block, at)
    const [rest, afterRest] = varint(block, afterShared)
    const [size, afterSize] = varint(block, afterRest)
    const valueAt = afterSize + rest
    key = Buffer.concat([key.subarray(0, shared), block.subarray(afterSize, valueAt)])
    const last = userKey(key)
    blocks.push(blockHandle(block, valueAt, byKey ? { first, last } : keys)[0])
    first = last
    at = valueAt + size
  }
  return blocks
}

function blockHandle(bytes: Buffer, from: number, keys: KeyRange): [block: Block, next: number] {
  const [offset, at] = varint(bytes, from)
  const [size, next] = varint(bytes, at)
  return [{ offset, size, keys }, next]
}

function varint(bytes: Buffer, from: number): [value: number, next: number] {
  let value = 0
  let at = from
  for (let scale = 1; at < bytes.length; scale *= 128) {
    const byte = bytes[at++]!
    value += (byte & 127) * scale
    if (byte < 128) break
  }
  return [value, at]
}
