import { type Anomaly, type History, keyName } from '../history.ts'

/** What is wrong with histories that are truncated: too much gone, too little, or versions that do not go on counting. */
export function* truncationAnomalies({ operations, final }: History): Generator<Anomaly> {
  /** Truncations that may have happened, at most and at least, by key. */
  const attempted = new Map<string, number>()
  const acknowledged: { end: number; name: string; before: number }[] = []
  const given = new Map<string, string>()
  for (const { outcome, end, truncated, appended } of operations) {
    if (outcome === 'failed') continue
    for (const { topic, key, before } of truncated) {
      const name = keyName(topic, key)
      attempted.set(name, Math.max(attempted.get(name) ?? 0, before))
      if (outcome === 'ok') acknowledged.push({ end, name, before })
    }
    for (const { topic, key, value, version } of appended) {
      if (version === undefined) continue
      const place = `${keyName(topic, key)}@${version}`
      const other = given.get(place)
      if (other !== undefined) yield { name: 'version-conflict', example: `${other} and ${value} are both ${place}` }
      given.set(place, value)
    }
  }
  for (const { outcome, start, streamReads } of operations) {
    if (outcome !== 'ok') continue
    for (const { topic, key, versions } of streamReads) {
      const name = keyName(topic, key)
      for (const { end, before, ...truncation } of acknowledged) {
        if (end >= start || truncation.name !== name || (versions[0] ?? before) >= before) continue
        yield {
          name: 'truncated-read',
          example: `${name}@${versions[0]} was read after all before ${before} was taken`,
        }
        break
      }
      yield* gaps(name, versions)
    }
  }
  for (const { name, before } of acknowledged) {
    const first = final.streams.get(name)?.[0]?.version
    if (first === undefined || first >= before) continue
    yield { name: 'truncated-read', example: `${name}@${first} is there, all before ${before} was taken` }
  }
  for (const { outcome, appended } of operations) {
    if (outcome !== 'ok') continue
    for (const { topic, key, value, version } of appended) {
      const name = keyName(topic, key)
      if (version === undefined || version < (attempted.get(name) ?? 0)) continue
      const stored = final.streams.get(name)?.find(record => record.version === version)?.value
      if (stored === value) continue
      yield { name: 'lost-version', example: `version ${version} of ${name} was ${value} and is ${String(stored)}` }
    }
  }
  for (const [name, records] of final.streams) {
    yield* gaps(
      name,
      records.map(({ version }) => version),
    )
  }
}

function* gaps(name: string, versions: readonly number[]): Generator<Anomaly> {
  for (const [at, version] of versions.entries()) {
    const before = versions[at - 1] ?? version - 1
    if (version !== before + 1) yield { name: 'version-gap', example: `${name}: ${version} comes after ${before}` }
  }
}
