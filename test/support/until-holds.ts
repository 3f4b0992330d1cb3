import { setTimeout as pause } from 'node:timers/promises'

/**
 * What `condition` returns, once it does not throw any more; its last error when the time is over. Unlike the `waitFor` of a test's context,
 * it gives a machine that does other things the time that it needs, and asks no more after the end: that one goes on for ever when it gives
 * up while an asynchronous condition is under way, and its process never ends.
 */
export async function untilHolds<Result>(
  condition: () => Result | Promise<Result>,
  { timeout = 90_000, interval = 50 }: { timeout?: number; interval?: number } = {},
): Promise<Result> {
  const deadline = performance.now() + timeout
  while (true) {
    try {
      return await condition()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await pause(interval)
  }
}
