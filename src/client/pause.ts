/** Milliseconds of a pause at most. */
const MAX_PAUSE_MS = 5000

/**
 * Waits about `ms` milliseconds, at most five seconds, after the `least` that a node asked for; spread so that clients do not return all at once.
 * Throws the signal's reason.
 */
export async function pause(ms: number, signal: AbortSignal | undefined, least = 0): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, least + Math.min(ms, MAX_PAUSE_MS) * (0.5 + Math.random() / 2))
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
