/** Milliseconds of a pause at most. */
const MAX_PAUSE_MS = 5000

/** Waits about `ms` milliseconds, at most five seconds, spread so that clients do not return all at once. Throws the signal's reason. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, Math.min(ms, MAX_PAUSE_MS) * (0.75 + Math.random() / 4))
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
