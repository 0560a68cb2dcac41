/** npm passes on the Ctrl-C that the terminal has sent us already: what comes this soon after is the same one. */
const sameCtrlC = 1000

/** Aborted by the first Ctrl-C or SIGTERM; another, a moment later, ends the process at once, as it would without us. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const signals = ['SIGINT', 'SIGTERM'] as const
  let first: number | undefined
  const listener = () => {
    first ??= performance.now()
    stop.abort()
    if (performance.now() - first < sameCtrlC) return
    process.exit(130)
  }
  for (const signal of signals) process.on(signal, listener)
  return stop.signal
}
