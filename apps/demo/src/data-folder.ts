import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogReader, Transaction } from '@aegis/log'
import { StreamingEngine } from '@aegis/streaming'
import type { DemoPlace } from './command-line.ts'
import { demoError } from './errors.ts'
import type { FlightsFile } from './flights-file.ts'

/** The private key space of the demo. */
const space = 'demo'
const sourceKey = Buffer.from('source')
const positionKey = Buffer.from('feed')

/** The flights that a folder was made of. */
interface Source {
  readonly path: string
  readonly identity: string
}

/** How many entries the feed has published. */
export async function readPosition(reader: LogReader): Promise<number> {
  const stored = await reader.getState(space, positionKey)
  return stored === undefined ? 0 : Number(Buffer.from(stored).toString())
}

export function writePosition(tx: Transaction, position: number): void {
  tx.putState(space, positionKey, Buffer.from(String(position)))
}

/**
 * Opens the folder or the cluster, which is empty or of an earlier run with the same flights.
 * @throws AegisError `FOLDER_OTHER`, or what the storage says: `STORAGE_LOCKED` while another process has it open, …
 */
export async function openPlace(place: DemoPlace, file: FlightsFile): Promise<StreamingEngine> {
  const engine = await StreamingEngine.open(place)
  const name = 'url' in place ? `--url ${place.url}` : `--data-dir ${place.dataDir}`
  try {
    const source = await readSource(engine)
    if (source === undefined) {
      if (await holdsTopics(engine)) throw demoError('FOLDER_OTHER', otherData(name))
      const made: Source = { path: file.path, identity: file.identity }
      await engine.log.transaction(tx => tx.putState(space, sourceKey, Buffer.from(JSON.stringify(made))))
    } else if (source.identity !== file.identity) {
      throw demoError(
        'FOLDER_OTHER',
        `${name} was made from the flights of ${source.path}, not from those in ${file.path}: choose another place, or --reset the folder`,
      )
    }
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

/**
 * Deletes what an earlier run kept in the folder.
 * @throws AegisError `FOLDER_OTHER` when the folder is not one of the demo's, or what the storage says when it cannot be opened
 */
export async function resetFolder(place: DemoPlace): Promise<void> {
  if ('url' in place) return
  const { dataDir } = place
  if ((await entriesOf(dataDir)).length === 0) return
  const engine = await StreamingEngine.open({ dataDir })
  try {
    if ((await readSource(engine)) === undefined && (await holdsTopics(engine))) {
      throw demoError('FOLDER_OTHER', otherData(`--data-dir ${dataDir}`))
    }
  } finally {
    await engine.close()
  }
  for (const entry of await entriesOf(dataDir)) await rm(join(dataDir, entry), { recursive: true })
}

async function entriesOf(dataDir: string): Promise<string[]> {
  try {
    return await readdir(dataDir)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

async function readSource(engine: StreamingEngine): Promise<Source | undefined> {
  const stored = await engine.log.getState(space, sourceKey)
  return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString())
}

async function holdsTopics(engine: StreamingEngine): Promise<boolean> {
  return (await engine.log.listTopics()).length > 0
}

function otherData(name: string): string {
  return `${name} holds data that the demo did not make: choose another place`
}
