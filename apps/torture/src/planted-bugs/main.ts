// Shows that the tests can fail: plants each bug of the list in a copy of the workspace and runs the test that is to catch it.
import { fileURLToPath } from 'node:url'
import { plantedBugs } from './list.ts'
import { Garden } from './plant.ts'

const wanted = process.argv.slice(2)
const bugs = plantedBugs.filter(({ name }) => wanted.length === 0 || wanted.some(part => name.includes(part)))
await using garden = await Garden.create(fileURLToPath(new URL('../../../../', import.meta.url)))
let missed = 0
for (const bug of bugs) {
  const { verdict, output } = await garden.try(bug)
  console.log(`${verdict.padEnd(16)} ${bug.name}`)
  if (verdict === 'caught') continue
  missed++
  console.error(output.slice(-2000))
}
console.log(`${bugs.length - missed} of ${bugs.length} caught`)
process.exitCode = missed === 0 ? 0 : 1
