/** Aborted by the first Ctrl-C or SIGTERM; the second ends the process at once, as it would without us. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const signals = ['SIGINT', 'SIGTERM'] as const
  const listener = () => {
    for (const signal of signals) process.off(signal, listener)
    stop.abort()
  }
  for (const signal of signals) process.on(signal, listener)
  return stop.signal
}
