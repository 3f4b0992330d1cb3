/** What is watched of a connection. */
interface WatchedConnection extends Pick<EventTarget, 'addEventListener'> {
  abort(error: Error): void
}

/** Milliseconds between two looks. Every node pings all others as often. */
export const LOOK_MS = 10_000
/** Looks in a row that find silence, after which there is nobody. By looks and not by the clock, so that a machine that slept asks first. */
export const SILENT_LOOKS = 3

/**
 * Ends a connection on which nothing comes and nothing goes: of a peer that was cut off, no packet tells. An answer to a ping may take longer,
 * behind package bytes; but then these move, and the other's pings come.
 */
export function endWhenSilent(connection: WatchedConnection): void {
  let isAlive = true
  let silent = 0
  const timer = setInterval(() => {
    silent = isAlive ? 0 : silent + 1
    isAlive = false
    if (silent === SILENT_LOOKS) {
      connection.abort(new Error(`nothing came from the peer for ${(SILENT_LOOKS * LOOK_MS) / 1000} s`))
    }
  }, LOOK_MS)
  const alive = (): void => {
    isAlive = true
  }
  connection.addEventListener('message', alive)
  connection.addEventListener('drain', alive)
  connection.addEventListener('close', () => clearInterval(timer))
}
