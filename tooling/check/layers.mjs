// Imports go down only. Fails when a package depends on one of its own layer or of a higher one, in its manifest or in
// a file, or when a file reaches into the folder of another package. (Cycles inside a package are biome's to find.)
import { readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseSync } from 'oxc-parser'
import { root, sourceFiles, workspacePackages } from './workspace.mjs'

/** From the bottom to the top; `apps/*` are above all. A new package is written in here, where its layer is decided. */
const layers = [
  ['@aegis/storage'],
  ['@aegis/log'],
  ['@aegis/log-jetstream'],
  ['@aegis/subscription'],
  ['@aegis/pubsub', '@aegis/cdc', '@aegis/eventstore', '@aegis/processing'],
  ['@aegis/streaming', '@aegis/cli'],
]

/**
 * What is wrong, one sentence each.
 *
 * @param {string} [base] the root of the workspace
 * @returns {string[]}
 */
export function layerViolations(base = root) {
  return workspacePackages(base).flatMap(({ name, dir, manifest }) => {
    const layer = dir.startsWith('apps/') ? layers.length : layerOf(name)
    if (layer < 0) return [`${dir}/package.json: ${name} has no layer yet: give it one in tooling/check/layers.mjs`]
    const fromManifest = dependencies(manifest).map(dependency => ({ file: 'package.json', to: dependency }))
    const imports = ['src', 'test'].flatMap(folder =>
      sourceFiles(join(base, dir), folder).flatMap(file => importsOf(join(base, dir, file)).map(to => ({ file, to }))),
    )
    return [
      ...[...fromManifest, ...imports]
        .filter(({ to }) => packageOf(to) !== name && layerOf(packageOf(to)) >= layer)
        .map(
          ({ file, to }) => `${dir}/${file}: ${name} must not depend on ${packageOf(to)}: it is not in a lower layer`,
        ),
      ...imports
        .filter(({ file, to }) => to.startsWith('.') && leaves(join(base, dir), file, to, join(base, 'tooling')))
        .map(({ file, to }) => `${dir}/${file}: ${to} is a file of another package: import the package by its name`),
    ]
  })
}

/** -1 for what is not a package of the layers. @param {string} name */
const layerOf = name => layers.findIndex(layer => layer.includes(name))

/** `@aegis/log/testing` is of `@aegis/log`. @param {string} specifier */
const packageOf = specifier => specifier.split('/').slice(0, 2).join('/')

/** @param {Record<string, any>} manifest @returns {string[]} */
const dependencies = manifest =>
  ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'].flatMap(kind =>
    Object.keys(manifest[kind] ?? {}),
  )

/** Tests may use the test programs in `tooling`. @param {string} dir @param {string} file @param {string} to @param {string} tooling */
function leaves(dir, file, to, tooling) {
  const target = resolve(dir, file, '..', to)
  const allowed = file.startsWith('test') ? [dir, tooling] : [dir]
  return !allowed.some(folder => !relative(folder, target).startsWith(`..${sep}`))
}

/** @param {string} path @returns {string[]} */
function importsOf(path) {
  const text = readFileSync(path, 'utf8')
  const { module, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  return [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value ?? '')),
    // The text between the brackets; without quotes it is computed and cannot be known.
    ...module.dynamicImports.map(({ moduleRequest }) =>
      text.slice(moduleRequest.start, moduleRequest.end).replaceAll(/^['"]|['"]$/g, ''),
    ),
  ]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const violations = layerViolations()
  for (const violation of violations) console.error(violation)
  process.exitCode = violations.length > 0 ? 1 : 0
}
