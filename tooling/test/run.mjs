// Runs the tests of all packages and ends with one line that people and programs can read.
import { startVitest } from 'vitest/node'

const vitest = await startVitest('test', process.argv.slice(2), { watch: false, projects: ['packages/*', 'apps/*'] })
const tests = vitest.state.getTestModules().flatMap(module => [...module.children.allTests()])
const broken = vitest.state.getTestModules().filter(module => module.errors().length > 0).length
const count = state => tests.filter(test => test.result().state === state).length
await vitest.close()
const failed = count('failed') + broken + vitest.state.getUnhandledErrors().length
console.log(`${count('passed')} passed, ${failed} failed`)
process.exit(failed > 0 || count('passed') === 0 ? 1 : 0)
