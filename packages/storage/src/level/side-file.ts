import { closeSync, constants, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { crc32c } from '@node-rs/crc32'

const name = 'aegis.commits'
const slotBytes = 32

/** Numbers of the last commits that were reported as done. */
export interface Acknowledged {
  /** On the disk: must be there whatever happened. */
  readonly durable: number
  /** With the operating system: must be there unless the machine stopped since. */
  readonly buffered: number
  /** Whether the machine has been running since they were written; false when that cannot be known. */
  readonly sameBoot: boolean
}

/**
 * What was acknowledged, kept beside LevelDB, so that a lost or shortened log shows: two slots written in turn, each with
 * a checksum, so that a torn write leaves the other. Written without fsync: an older count asks for less, never for too much.
 */
export class SideFile {
  readonly #descriptor: number
  readonly #slot = Buffer.alloc(slotBytes)
  #next: number

  private constructor(descriptor: number, databaseId: string, next: number) {
    this.#descriptor = descriptor
    this.#next = next
    this.#slot.set(shortId(databaseId), 16)
    this.#slot.writeUInt32LE(bootId(), 24)
  }

  /** Undefined when there is none that can be read. */
  static read(folder: string, databaseId: string): Acknowledged | undefined {
    let descriptor
    try {
      descriptor = openSync(join(folder, name), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      return readSlots(descriptor, databaseId)?.acknowledged
    } finally {
      closeSync(descriptor)
    }
  }

  static open(folder: string, databaseId: string): SideFile {
    const descriptor = openSync(join(folder, name), createOrUpdate, 0o600)
    const current = readSlots(descriptor, databaseId)
    return new SideFile(descriptor, databaseId, current === undefined ? 0 : 1 - current.slot)
  }

  write(durable: number, buffered: number): void {
    const slot = this.#slot
    slot.writeBigUInt64LE(BigInt(durable), 0)
    slot.writeBigUInt64LE(BigInt(buffered), 8)
    slot.writeUInt32LE(crc32c(slot.subarray(0, 28)), 28)
    writeSync(this.#descriptor, slot, 0, slotBytes, this.#next * slotBytes)
    this.#next = 1 - this.#next
  }

  sync(): void {
    fsyncSync(this.#descriptor)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

// Read and write, created when missing, never truncated: no letter of fs.open says that.
const createOrUpdate = constants.O_CREAT | constants.O_RDWR

function readSlots(descriptor: number, databaseId: string) {
  const bytes = Buffer.alloc(2 * slotBytes)
  readSync(descriptor, bytes, 0, bytes.length, 0)
  let best: { slot: number; acknowledged: Acknowledged } | undefined
  for (const slot of [0, 1]) {
    const at = bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes)
    if (at.readUInt32LE(28) !== crc32c(at.subarray(0, 28)) || !at.subarray(16, 24).equals(shortId(databaseId))) continue
    const boot = at.readUInt32LE(24)
    const acknowledged = {
      durable: Number(at.readBigUInt64LE(0)),
      buffered: Number(at.readBigUInt64LE(8)),
      sameBoot: boot !== 0 && boot === bootId(),
    }
    const newer =
      best === undefined ||
      acknowledged.buffered > best.acknowledged.buffered ||
      acknowledged.durable > best.acknowledged.durable
    if (newer) best = { slot, acknowledged }
  }
  return best
}

function shortId(databaseId: string): Buffer {
  return Buffer.from(databaseId.replaceAll('-', ''), 'hex').subarray(0, 8)
}

/** Another number after each start of the machine; 0 where the system does not tell. */
function bootId(): number {
  try {
    return crc32c(readFileSync('/proc/sys/kernel/random/boot_id'))
  } catch {
    return 0
  }
}
