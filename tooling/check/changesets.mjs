// Fails when a changeset cannot be used, or when a package that was never released is in no changeset.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { publishedPackages, root } from './workspace.mjs'

const example = "---\n'@aegis/log': minor\n---\n\nOne line of prose.\n"

/**
 * What is wrong, one sentence each.
 *
 * @param {string} [base] the root of the workspace
 * @returns {string[]}
 */
export function changesetViolations(base = root) {
  const folder = join(base, '.changeset')
  const packages = publishedPackages(base)
  const names = packages.map(({ name }) => name)
  const announced = new Set()
  const violations = []
  for (const file of readdirSync(folder).filter(file => file.endsWith('.md') && file !== 'README.md')) {
    const [, header, prose] = /^---\n([\s\S]*?)---\n([\s\S]*)$/.exec(readFileSync(join(folder, file), 'utf8')) ?? []
    const lines = (header ?? '').split('\n').filter(line => line.trim() !== '')
    if (lines.length === 0)
      violations.push(`.changeset/${file}: names no package; this is what one looks like:\n${example}`)
    for (const line of lines) {
      const [, name] = /^['"](.+)['"]: (?:patch|minor|major)$/.exec(line) ?? []
      if (name === undefined) violations.push(`.changeset/${file}: ${line}: give 'name': patch, minor or major`)
      else if (!names.includes(name)) violations.push(`.changeset/${file}: ${name} is not a published package`)
      else announced.add(name)
    }
    if (lines.length > 0 && prose?.trim() === '') violations.push(`.changeset/${file}: says nothing`)
  }
  const unannounced = packages
    .filter(({ name, dir }) => !announced.has(name) && !existsSync(join(base, dir, 'CHANGELOG.md')))
    .map(({ name }) => `${name} was never released and is in no changeset: npm run change`)
  return [...violations, ...unannounced]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const violations = changesetViolations()
  for (const violation of violations) console.error(violation)
  process.exitCode = violations.length > 0 ? 1 : 0
}
