import { copyFile, link, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { readCounter } from '../identity.ts'
import { openDatabase } from './database.ts'

/**
 * The number of the last commit that is in tables, found without changing the folder: tables are immutable and linked, the
 * rest is copied, the logs are left out. Needed when the only log has a damaged beginning: was that write acknowledged?
 */
export async function readTableCounter(folder: string): Promise<number> {
  const probe = await mkdtemp(join(folder, 'aegis-probe-'))
  try {
    for (const entry of await readdir(folder)) {
      const from = join(folder, entry)
      const to = join(probe, entry)
      if (/^\d+\.(ldb|sst)$/.test(entry)) await link(from, to).catch(() => copyFile(from, to))
      else if (entry === 'CURRENT' || entry.startsWith('MANIFEST-')) await copyFile(from, to)
    }
    const store = await openDatabase(probe, false)
    try {
      return await readCounter(store)
    } finally {
      await store.close()
    }
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}
