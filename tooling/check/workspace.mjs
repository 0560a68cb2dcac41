import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * @typedef {object} WorkspacePackage
 * @property {string} name as published: `@aegis/log`
 * @property {string} dir from the root: `packages/log`
 * @property {Record<string, any>} manifest its package.json
 */

/**
 * The packages of the folders `packages` and `apps`, by name.
 *
 * @param {string} [base] the root of the workspace
 * @returns {WorkspacePackage[]}
 */
export function workspacePackages(base = root) {
  return ['packages', 'apps']
    .filter(group => existsSync(join(base, group)))
    .flatMap(group => readdirSync(join(base, group)).map(entry => `${group}/${entry}`))
    .filter(dir => existsSync(join(base, dir, 'package.json')))
    .map(dir => {
      const manifest = JSON.parse(readFileSync(join(base, dir, 'package.json'), 'utf8'))
      return { name: manifest.name, dir, manifest }
    })
    .sort((a, b) => a.name.localeCompare(b.name))
}

/**
 * Those that are published: everything that is not private.
 *
 * @param {string} [base]
 */
export const publishedPackages = base => workspacePackages(base).filter(({ manifest }) => manifest.private !== true)

/**
 * The source files of a package's folder, such as `src/index.ts`, sorted.
 *
 * @param {string} packageDir
 * @param {string} folder `src` or `test`
 * @returns {string[]}
 */
export function sourceFiles(packageDir, folder) {
  if (!existsSync(join(packageDir, folder))) return []
  return readdirSync(join(packageDir, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => /\.m?tsx?$/.test(file))
    .map(file => join(folder, file))
    .sort()
}
