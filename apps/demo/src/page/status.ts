import { element, write } from './element.ts'

export type Connection = 'connecting' | 'live' | 'ended' | 'lost'

const status: Record<Connection, string> = {
  connecting: 'Connecting…',
  live: '● Live',
  ended: 'Replay complete',
  lost: 'Connection lost',
}

const notices: Partial<Record<Connection, string>> = {
  ended: 'All flights are replayed. To see it again, stop the demo and start it with  npm run demo -- --reset',
  lost: 'The demo does not answer: trying again. If you stopped it, start it with  npm run demo  and it goes on where it was.',
}

export function showConnection(connection: Connection): void {
  if (document.body.dataset['connection'] === connection) return
  document.body.dataset['connection'] = connection
  write('status', status[connection])
  const notice = element('notice')
  notice.hidden = notices[connection] === undefined
  notice.textContent = notices[connection] ?? ''
}
