import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readMap } from './map.ts'

export interface PageFile {
  readonly type: string
  readonly content: Uint8Array<ArrayBuffer>
}

const script = 'text/javascript; charset=utf-8'

/** Everything that the page loads, by path: nothing is read from the disk on a request. */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>()
  const add = async (path: string, type: string, file: URL | string) => {
    files.set(path, { type, content: new Uint8Array(await readFile(file)) })
  }
  const source = new URL('../src/page/', import.meta.url)
  await add('/', 'text/html; charset=utf-8', new URL('index.html', source))
  await add('/style.css', 'text/css; charset=utf-8', new URL('style.css', source))
  await add('/favicon.svg', 'image/svg+xml', new URL('favicon.svg', source))
  await add('/echarts.js', script, fileURLToPath(import.meta.resolve('echarts/dist/echarts.min.js')))
  const compiled = new URL('page/', import.meta.url)
  for (const name of await readdir(compiled)) {
    if (name.endsWith('.js')) await add(`/page/${name}`, script, new URL(name, compiled))
  }
  const map = new TextEncoder().encode(JSON.stringify(await readMap()))
  files.set('/map.json', { type: 'application/json', content: map })
  return files
}
