// Runs the tests of all packages and apps and ends with one line that people and programs can read. One vitest for all:
// its workers are shared, so this is quicker than a process per package, and the sum needs no collecting. (`turbo run test`
// tests package by package, and skips those whose files and dependencies have not changed.)
import { startVitest } from 'vitest/node'

const projects = ['{packages,apps,tooling}/*/vitest.config.ts', 'tooling/vitest.config.ts']
// Tests wait for events: a busy machine makes them slow, not wrong.
const testTimeout = 60_000
const vitest = await startVitest('test', process.argv.slice(2), { watch: false, projects, testTimeout })
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
