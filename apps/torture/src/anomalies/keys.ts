import { type Anomaly, type History, keyName } from '../history.ts'

/** What is wrong with the versions of keys: one replaced twice, given twice, or gone. */
export function* keyAnomalies({ operations, final }: History): Generator<Anomaly> {
  const replaced = new Map<string, string>()
  const given = new Map<string, string>()
  for (const { outcome, keysWritten } of operations) {
    if (outcome !== 'ok') continue
    for (const { topic, key, value, expected, version } of keysWritten) {
      const name = keyName(topic, key)
      if (expected !== undefined) {
        const other = replaced.get(`${name}@${expected}`)
        if (other !== undefined) {
          yield {
            name: 'version-conflict',
            example: `${other} and ${value} both replaced version ${expected} of ${name}`,
          }
        }
        replaced.set(`${name}@${expected}`, value)
      }
      if (version === undefined) continue
      const other = given.get(`${name}@${version}`)
      if (other !== undefined) {
        yield { name: 'version-conflict', example: `${other} and ${value} are both version ${version} of ${name}` }
      }
      given.set(`${name}@${version}`, value)
      const stored = final.histories.get(name)?.[version]
      if (stored !== value) {
        yield { name: 'lost-version', example: `version ${version} of ${name} was ${value} and is ${String(stored)}` }
      }
    }
  }
}
