// A decider is three functions without effects; the store loads, decides, appends, and begins again after a conflict.
import type { Decider } from '@aegis/eventstore'
import { StreamingEngine } from '@aegis/streaming'

type SeatEvent =
  | { type: 'HallOpened'; data: { seats: number } }
  | { type: 'SeatTaken'; data: { seat: number; by: string } }
type SeatCommand = { open: number } | { take: string }
type Hall = { seats: number; taken: number }

const hall: Decider<Hall, SeatCommand, SeatEvent> = {
  initialState: () => ({ seats: 0, taken: 0 }),
  evolve: (state, event) =>
    event.type === 'HallOpened' ? { seats: event.data.seats, taken: 0 } : { ...state, taken: state.taken + 1 },
  decide(command, state) {
    if ('open' in command) return state.seats > 0 ? [] : { type: 'HallOpened', data: { seats: command.open } }
    if (state.taken === state.seats) throw new Error('sold out')
    return { type: 'SeatTaken', data: { seat: state.taken + 1, by: command.take } }
  },
}

const engine = await StreamingEngine.open({ dataDir: './data' })

// Every 100 events the state is kept beside them, so that a long stream is read from there on.
const halls = engine.events.commandHandler(hall, { snapshots: { version: 1, every: 100 } })
await halls.handle('hall-1', { open: 3 })

// Five at once for three seats: each is decided on what the one before has left.
const people = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Alan']
await Promise.allSettled(people.map(take => halls.handle('hall-1', { take })))
for (const { type, data, version } of await engine.events.load<SeatEvent>('hall-1')) {
  console.log(version, type, 'by' in data ? `${data.seat} ${data.by}` : data.seats)
}
const { state } = await halls.load('hall-1')
console.log(state.taken, 'of', state.seats, 'taken')

await engine.close()
