import { describe, expect, it } from 'vitest'
import { checkHistory, checkPrefix } from '../src/check-history.ts'
import { noState } from '../src/final-state.ts'
import { type Anomaly, type FinalState, noActions, type Operation } from '../src/history.ts'

let clock = 0
const operation = (parts: Partial<Operation>): Operation => ({
  process: 'p',
  start: clock++,
  end: clock++,
  outcome: 'ok',
  ...noActions,
  ...parts,
})
const sent = (value: string, offset?: number) => ({
  topic: 't',
  value,
  ...(offset !== undefined && { partition: 0, offset }),
})
const polled = (continues: boolean, ...records: [number, string][]) => ({
  topic: 't',
  partition: 0,
  continues,
  records: records.map(([offset, value]) => ({ offset, value })),
})
const records = (...list: [number, string][]): FinalState['records'] =>
  new Map([['t/0', list.map(([offset, value]) => ({ offset, value }))]])
const names = (operations: Operation[], final: Partial<FinalState> = {}): Anomaly['name'][] => [
  ...new Set(
    checkHistory({
      operations,
      final: { ...noState, ...final },
    }).map(anomaly => anomaly.name),
  ),
]
const position = (offset: number) => ({ group: 'g', topic: 't', partition: 0, offset })
const write = (key: string, value: string, version?: number) => ({
  topic: 'k',
  key,
  value,
  ...(version !== undefined && { version }),
})
const read = (key: string, version: number) => ({ topic: 'k', key, version })

describe('the checker of histories', () => {
  it('does not take a position for fallen back that was told late', () => {
    const final = { records: records([9, 'a']), positions: [position(8)] }
    const [slow, fast] = [operation({ committed: [position(5)] }), operation({ committed: [position(8)] })]
    expect(names([{ ...slow, end: clock++ }, fast, operation({ sent: [sent('a', 9)] })], final)).toEqual([])
  })

  it('takes a record that one has written, and another was refused later, for written; one that all were refused for not', () => {
    const final = { records: records([0, 'a']) }
    const written = operation({ sent: [sent('a', 0)] })
    const refused = () => operation({ sent: [sent('a')], outcome: 'failed' })
    expect(names([refused(), written, refused()], final)).toEqual([])
    expect(names([refused(), refused()], final)).toEqual(['aborted-read'])
  })

  it('finds nothing in a history without fault', () => {
    const found = names(
      [
        operation({ sent: [sent('a', 0), sent('b', 2)] }),
        operation({ sent: [sent('c')], outcome: 'unknown' }),
        operation({ sent: [sent('d')], outcome: 'failed' }),
        operation({ process: 'q', polled: [polled(true, [0, 'a'])], committed: [position(1)] }),
        operation({ process: 'q', polled: [polled(true, [2, 'b'], [3, 'c'])], committedReads: [position(1)] }),
        operation({ keyReads: [read('x', -1)], keysWritten: [write('x', 'x0', 0)] }),
        operation({ keyReads: [read('x', 0)], keysWritten: [write('x', 'x1', 1)] }),
      ],
      {
        records: records([0, 'a'], [2, 'b'], [3, 'c']),
        histories: new Map([['k/x', ['x0', 'x1']]]),
        positions: [position(1)],
      },
    )
    expect(found).toEqual([])
  })

  it('finds two values at one offset', () => {
    const found = names([operation({ sent: [sent('a', 0)] }), operation({ sent: [sent('b', 0)] })], {
      records: records([0, 'a']),
    })
    expect(found).toContain('inconsistent-offsets')
  })

  it('finds one value at two offsets', () => {
    expect(names([operation({ sent: [sent('a', 0)] })], { records: records([0, 'a'], [1, 'a']) })).toContain(
      'duplicate',
    )
  })

  it('finds a value that was refused and read all the same', () => {
    expect(names([operation({ sent: [sent('a')], outcome: 'failed' })], { records: records([0, 'a']) })).toEqual([
      'aborted-read',
    ])
  })

  it('finds a value that nobody wrote', () => {
    expect(names([], { records: records([0, 'a']) })).toEqual(['unwritten-read'])
  })

  it('finds an acknowledged value that is gone, and one that was read and is gone', () => {
    expect(names([operation({ sent: [sent('a', 0)] })])).toContain('lost-write')
    const unknown = operation({ sent: [sent('a')], outcome: 'unknown' })
    expect(names([unknown, operation({ polled: [polled(false, [0, 'a'])] })])).toContain('lost-write')
  })

  it('finds a record that a reader passed over, also when the pages have a gap between them', () => {
    const send = operation({ sent: [sent('a', 0), sent('b', 1), sent('c', 2)] })
    const final = { records: records([0, 'a'], [1, 'b'], [2, 'c']) }
    expect(names([send, operation({ polled: [polled(false, [0, 'a'], [2, 'c'])] })], final)).toEqual(['poll-skip'])
    const pages = [operation({ polled: [polled(false, [0, 'a'])] }), operation({ polled: [polled(true, [2, 'c'])] })]
    expect(names([send, ...pages], final)).toEqual(['poll-skip'])
    const sought = [operation({ polled: [polled(false, [0, 'a'])] }), operation({ polled: [polled(false, [2, 'c'])] })]
    expect(names([send, ...sought], final)).toEqual([])
  })

  it('finds a record that a reader was given twice', () => {
    const send = operation({ sent: [sent('a', 0)] })
    const pages = [operation({ polled: [polled(false, [0, 'a'])] }), operation({ polled: [polled(true, [0, 'a'])] })]
    expect(names([send, ...pages], { records: records([0, 'a']) })).toEqual(['nonmonotonic-poll'])
  })

  it('finds sends of one process that were turned around', () => {
    const sends = [operation({ sent: [sent('a', 1)] }), operation({ sent: [sent('b', 0)] })]
    expect(names(sends, { records: records([0, 'b'], [1, 'a']) })).toEqual(['nonmonotonic-send'])
  })

  it('finds half of a transaction, acknowledged or not', () => {
    const torn = operation({ sent: [sent('a')], keysWritten: [write('x', 'x0')], outcome: 'unknown' })
    expect(names([torn], { records: records([0, 'a']) })).toEqual(['torn-transaction'])
  })

  it('finds a version that was replaced twice, given twice, or lost', () => {
    const replaced = ['x1', 'y1'].map(value => operation({ keysWritten: [{ ...write('x', value), expected: 0 }] }))
    expect(names(replaced, { histories: new Map([['k/x', ['x0', 'x1', 'y1']]]) })).toEqual(['version-conflict'])
    const given = ['x1', 'y1'].map(value => operation({ keysWritten: [write('x', value, 1)] }))
    expect(names(given, { histories: new Map([['k/x', ['x0', 'x1', 'y1']]]) })).toContain('version-conflict')
    expect(names([operation({ keysWritten: [write('x', 'x0', 0)] })])).toContain('lost-version')
  })

  it('finds a position that fell back, passed the end, or was forgotten', () => {
    const send = operation({ sent: [sent('a', 0), sent('b', 1)] })
    const final = { records: records([0, 'a'], [1, 'b']), positions: [position(2)] }
    const commits = [operation({ committed: [position(2)] }), operation({ committed: [position(1)] })]
    expect(names([send, ...commits], final)).toEqual(['position-regression'])
    expect(names([send, operation({ committed: [position(3)] })], { ...final, positions: [position(3)] })).toEqual([
      'position-overrun',
    ])
    expect(names([send, operation({ committed: [position(2)] })], { ...final, positions: [] })).toEqual([
      'position-lost',
    ])
    const read = [operation({ committed: [position(2)] }), operation({ committedReads: [position(0)] })]
    expect(names([send, ...read], final)).toEqual(['position-lost'])
  })

  it('finds a key of a compacted topic that gives an older record, or another than its feed', () => {
    const row = (value: string, offset: number) => operation({ sent: [{ ...sent(value, offset), key: 'x' }] })
    const writes = () => [row('a', 0), row('b', 1)]
    const rows = (offset: number) => new Map([['t/x', offset]])
    const get = (offset: number) => operation({ rowReads: [{ topic: 't', key: 'x', offset }] })
    const compacted = { records: records([1, 'b']), rows: rows(1) }
    expect(names([row('a', 0), get(0), row('b', 1), get(1)], compacted)).toEqual([])
    expect(names([...writes(), get(0)], compacted)).toEqual(['stale-row'])
    expect(names(writes(), { records: records([0, 'a'], [1, 'b']), rows: rows(0) })).toEqual(['stale-row'])
    expect(names(writes(), { records: records([0, 'a']), rows: rows(0) })).toEqual(['lost-write'])
    expect(names(writes(), { records: records(), rows: rows(1) })).toContain('lost-write')
    // A reader that begins again, in a page that is gone meanwhile.
    const again = [polled(false, [1, 'b']), polled(false, [0, 'a']), polled(true, [1, 'b'])]
    const reads = again.map(page => operation({ polled: [page] }))
    expect(names([...writes(), ...reads], compacted)).toEqual([])
    const both = { records: records([0, 'a'], [1, 'b'], [2, 'c']), rows: new Map([...rows(2), ['t/y', 1]]) }
    const other = operation({ sent: [{ ...sent('b', 1), key: 'y' }] })
    const passed = operation({ polled: [polled(false, [0, 'a'], [2, 'c'])] })
    expect(names([row('a', 0), other, row('c', 2), passed], both)).toEqual(['poll-skip'])
  })

  it('finds a truncation that took too much or too little, and versions that do not go on', () => {
    const append = (value: string, version: number) => operation({ appended: [write('x', value, version)] })
    const appends = () => [append('x0', 0), append('x1', 1), append('x2', 2)]
    const truncate = (before: number, outcome: Operation['outcome'] = 'ok') =>
      operation({ truncated: [{ topic: 'k', key: 'x', before }], outcome })
    const left = (...versions: number[]) => ({
      streams: new Map([['k/x', versions.map(version => ({ version, value: `x${version}` }))]]),
    })
    const history = (...versions: number[]) => operation({ streamReads: [{ topic: 'k', key: 'x', versions }] })
    expect(names([...appends(), truncate(1), history(1, 2)], left(1, 2))).toEqual([])
    expect(names([...appends(), truncate(1, 'unknown')], left(0, 1, 2))).toEqual([])
    expect(names([...appends(), truncate(1)], left(0, 1, 2))).toEqual(['truncated-read'])
    expect(names([...appends(), truncate(1), history(0, 1, 2)], left(1, 2))).toEqual(['truncated-read'])
    expect(names([...appends(), truncate(1)], left(2))).toEqual(['lost-version'])
    expect(names([...appends(), truncate(2, 'failed')], left(2))).toEqual(['lost-version'])
    expect(names([...appends(), truncate(1), history(0, 2)], left(1, 2))).toContain('version-gap')
    expect(names([...appends(), truncate(2)], left(2, 4))).toEqual(['version-gap'])
    expect(names([...appends(), truncate(3), append('y0', 0)], left())).toEqual(['version-conflict'])
  })

  describe('of deliveries', () => {
    const lease = 2_000
    const jobs = (...values: string[]) => new Map([['jobs/0', values.map((value, offset) => ({ offset, value }))]])
    const send = (...values: string[]) =>
      operation({ sent: values.map((value, offset) => ({ topic: 'jobs', value, partition: 0, offset })) })
    const hand = (group: string, value: string, attempts: number, time = 0, process = 'p') =>
      operation({ process, handed: [{ group, value, attempts, begun: time, seen: time }] })
    const said = (group: string, value: string) => [{ group, value }]
    const acknowledge = (group: string, value: string) => operation({ acknowledged: said(group, value) })
    const commit = (group: string, value: string, outcome: Operation['outcome'] = 'ok', process = 'p') =>
      operation({ process, committedAcknowledgements: said(group, value), outcome })

    it('finds a message that two had at the same time', () => {
      const final = { records: jobs('a') }
      expect(names([send('a'), hand('shared', 'a', 1), hand('shared', 'a', 2, 500)], final)).toEqual([
        'double-delivery',
      ])
      expect(names([send('a'), hand('shared', 'a', 1), hand('shared', 'a', 2, lease)], final)).toEqual([])
      const refuse = () => operation({ refused: said('shared', 'a') })
      expect(names([send('a'), hand('shared', 'a', 1), refuse(), hand('shared', 'a', 2, 500)], final)).toEqual([])
      const leave = (process: string) => operation({ process, left: ['shared'] })
      const left = (process: string) => [send('a'), hand('shared', 'a', 1), leave(process), hand('shared', 'a', 2, 500)]
      expect(names(left('p'), final)).toEqual([])
      expect(names(left('another'), final)).toEqual(['double-delivery'])
    })

    it('finds a message that came twice where none may', () => {
      const twice = [send('a'), hand('at-most-once', 'a', 1), hand('at-most-once', 'a', 1, 9_000)]
      expect(names(twice, { records: jobs('a') })).toEqual(['double-delivery'])
    })

    it('finds a message that came again after its acknowledgement was durable', () => {
      const again = (outcome: Operation['outcome']) => [
        send('a'),
        hand('at-least-once', 'a', 1),
        acknowledge('at-least-once', 'a'),
        commit('at-least-once', 'a', outcome),
        hand('at-least-once', 'a', 2, 9_000),
      ]
      expect(names(again('ok'), { records: jobs('a') })).toEqual(['acknowledgement-lost'])
      expect(names(again('unknown'), { records: jobs('a') })).toEqual([])
      // A process that was stopped goes on with what it had fetched; one that began later has fetched nothing before.
      const group = 'at-least-once'
      const beside = [
        hand(group, 'b', 1, 0, 'run1.q'),
        hand(group, 'a', 1, 0, 'run2.q'),
        commit(group, 'a', 'ok', 'run2.q'),
      ]
      const late = (process: string) => [send('a', 'b'), ...beside, hand(group, 'a', 2, 9_000, process)]
      const final = { records: jobs('a', 'b') }
      expect(names(late('run1.q'), final)).toEqual([])
      for (const run of ['run2.q', 'run3.q']) expect(names(late(run), final)).toEqual(['acknowledgement-lost'])
    })

    it('finds an attempt that was not counted', () => {
      for (const group of ['shared', 'at-least-once']) {
        const counted = (next: number) => [send('a'), hand(group, 'a', 2), hand(group, 'a', next, 9_000)]
        expect(names(counted(2), { records: jobs('a') })).toEqual(['attempts-regression'])
        expect(names(counted(3), { records: jobs('a') })).toEqual([])
      }
      // A process that was stopped goes on with what it had fetched, beside the one that has it now.
      const beside = [hand('shared', 'b', 1, 0, 'run1.q'), hand('shared', 'a', 2, 0, 'run2.q')]
      const late = hand('shared', 'a', 1, 9_000, 'run1.q')
      expect(names([send('a', 'b'), ...beside, late], { records: jobs('a', 'b') })).toEqual([])
      // There only what was refused counts.
      const run = [send('a'), hand('exactly-once', 'a', 1), hand('exactly-once', 'a', 1, 9_000)]
      expect(names(run, { records: jobs('a') })).toEqual([])
    })

    it('finds a message that a group is through with, and that nobody has done', () => {
      const final = { records: jobs('a', 'b'), drained: ['shared'] }
      const some = [send('a', 'b'), hand('shared', 'a', 1), acknowledge('shared', 'a'), hand('shared', 'b', 1)]
      expect(names(some, final)).toEqual(['message-lost'])
      expect(names([...some, acknowledge('shared', 'b')], final)).toEqual([])
      expect(names(some, { ...final, dead: new Map([['shared', new Set(['b'])]]) })).toEqual([])
      expect(names(some, { ...final, dead: new Map([['another', new Set(['b'])]]) })).toEqual(['message-lost'])
    })

    it('finds a job whose output is there twice, or not', () => {
      const write = (offset?: number) =>
        operation({ sent: [{ ...sent('done a', offset), topic: 'outputs' }], outcome: 'unknown' })
      const outputs = (count: number) => ({
        records: new Map([
          ...jobs('a'),
          ['outputs/0', Array.from({ length: count }, (_, offset) => ({ offset, value: 'done a' }))],
        ]),
        drained: ['exactly-once'],
      })
      expect(names([send('a'), write()], outputs(1))).toEqual([])
      expect(names([send('a'), write(), write()], outputs(2))).toEqual(['duplicate'])
      expect(names([send('a'), write()], outputs(0))).toEqual(['message-lost'])
    })
  })

  const histories = new Map([
    ['k/x', ['x0', 'x1']],
    ['k/y', ['y0', 'y1']],
  ])
  const setup = () => operation({ keysWritten: [write('x', 'x0', 0), write('y', 'y0', 0)] })

  it('finds writes that cannot be put into an order (G0)', () => {
    const orders = new Map([
      ['k/x', ['x1', 'x2']],
      ['k/y', ['y2', 'y1']],
    ])
    const both = [
      operation({ keysWritten: [write('x', 'x1'), write('y', 'y1')] }),
      operation({ keysWritten: [write('x', 'x2'), write('y', 'y2')] }),
    ]
    expect(names(both, { histories: orders })).toEqual(['G0'])
  })

  it('finds transactions that read each other (G1c)', () => {
    const both = [
      operation({ keyReads: [read('y', 1)], keysWritten: [write('x', 'x1', 1)] }),
      operation({ keyReads: [read('x', 1)], keysWritten: [write('y', 'y1', 1)] }),
    ]
    expect(names([setup(), ...both], { histories })).toEqual(['G1c'])
  })

  it('finds a transaction that saw half of another (G-single)', () => {
    const half = [
      operation({ keysWritten: [write('x', 'x1', 1), write('y', 'y1', 1)] }),
      operation({ keyReads: [read('x', 1), read('y', 0)] }),
    ]
    expect(names([setup(), ...half], { histories })).toEqual(['G-single'])
  })

  it('finds two transactions that each overlooked the other (G2, write skew)', () => {
    const both = [
      operation({ keyReads: [read('y', 0)], keysWritten: [write('x', 'x1', 1)] }),
      operation({ keyReads: [read('x', 0)], keysWritten: [write('y', 'y1', 1)] }),
    ]
    expect(names([setup(), ...both], { histories })).toEqual(['G2'])
  })
})

describe('the checker of what power cuts have left of a log that is not synced', () => {
  const lost = (operations: Operation[], ...values: string[]): Anomaly['name'][] => {
    const final = { ...noState, records: records(...values.map((value, at): [number, string] => [at, value])) }
    return checkPrefix({ operations, final }, process => process.split('.')[0]!).map(({ name }) => name)
  }
  const by = (process: string, value: string, outcome: Operation['outcome'] = 'ok'): Operation =>
    operation({ process, outcome, sent: [sent(value)] })

  it('finds what is gone from the middle of a run, and lets the newest be gone', () => {
    expect(lost([by('run1.a', 'a'), by('run1.b', 'b'), by('run1.c', 'c')], 'a', 'c')).toEqual(['lost-write'])
    expect(lost([by('run1.a', 'a'), by('run1.b', 'b'), by('run2.c', 'c')], 'a', 'c')).toEqual([])
  })

  it('does not take for kept what the run before has lost and the next one has made again', () => {
    const again = [
      by('run1.a', 'a'),
      by('run1.b', 'b'),
      by('run1.exact', 'done x', 'unknown'),
      by('run2.exact', 'done x'),
    ]
    expect(lost(again, 'a', 'done x')).toEqual([])
  })
})
