import { quantile } from './measure.ts'

/** How much to do: `count` things numbered from `first` on, `concurrency` at a time. */
export interface Amount {
  readonly count: number
  readonly concurrency: number
  readonly first: number
}

/** Does the work, each of those at a time with what `worker` makes for it. Returns how many per second. */
export async function doAll(
  { count, concurrency, first }: Amount,
  worker: () => (number: number) => Promise<unknown>,
): Promise<number> {
  let next = first
  const since = performance.now()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      const work = worker()
      while (next < first + count) await work(next++)
    }),
  )
  return (count * 1000) / (performance.now() - since)
}

/** How fast things were done. */
export interface Asked {
  readonly perSecond: number
  /** Half of all took less. */
  readonly medianMs: number
}

/** Does `work` for the numbers from 0 on, `concurrency` at a time, for `ms` milliseconds. */
export async function doFor(
  { ms, concurrency }: { ms: number; concurrency: number },
  work: (number: number) => Promise<unknown>,
): Promise<Asked> {
  let next = 0
  const times: number[] = []
  const since = performance.now()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - since < ms) {
        const begun = performance.now()
        await work(next++)
        times.push(performance.now() - begun)
      }
    }),
  )
  return { perSecond: (times.length * 1000) / (performance.now() - since), medianMs: quantile(times, 0.5) }
}
