// Runs the tests of all packages and apps and ends with one line that people and programs can read. One vitest for all:
// its workers are shared, so this is quicker than a process per package, and the sum needs no collecting. (`turbo run test`
// tests package by package, and skips those whose files and dependencies have not changed.)
import { availableParallelism } from 'node:os'
import { startVitest } from 'vitest/node'

const projects = ['{packages,apps,tooling}/*/vitest.config.ts', 'tooling/vitest.config.ts']
// The longest test has ten minutes. A process that is kept busy for ever notices no limit and says nothing, and vitest would
// wait for it: it is named here.
const longest = 15 * 60_000
/** @type {Set<string>} */
const running = new Set()
const watch = setTimeout(() => {
  console.error(`no test has ended for ${longest / 60_000} minutes; running: ${[...running].join(', ')}`)
  process.exit(1)
}, longest)
/** @type {import('vitest/node').Reporter} */
const watching = {
  onTestModuleStart: ({ moduleId }) => void running.add(moduleId),
  onTestModuleEnd: ({ moduleId }) => void running.delete(moduleId),
  onTestCaseResult: () => void watch.refresh(),
}
const reporters = ['default', watching]
// Many wait for other processes and servers: vitest would leave one processor to itself, half of those that there are in CI.
const maxWorkers = availableParallelism()
const vitest = await startVitest('test', process.argv.slice(2), { watch: false, projects, reporters, maxWorkers })
const modules = vitest.state.getTestModules()
const tests = modules.flatMap(module => [...module.children.allTests()])
/** @param {'passed' | 'failed'} state */
const count = state => tests.filter(test => test.result().state === state).length
// What failed outside of a test: a file that cannot be loaded, a hook, a rejection that nobody handles.
const broken = modules.filter(module => module.errors().length > 0).length + vitest.state.getUnhandledErrors().length
await vitest.close()

const passed = count('passed')
const failed = count('failed') + broken
if (modules.length === 0) console.error(`no test file matches ${process.argv.slice(2).join(' ')}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
