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

/** Does `work` for the numbers from 0 on, `concurrency` at a time, for `ms` milliseconds. Returns how many per second. */
export async function doFor(
  { ms, concurrency }: { ms: number; concurrency: number },
  work: (number: number) => Promise<unknown>,
): Promise<number> {
  let next = 0
  let done = 0
  const since = performance.now()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - since < ms) {
        await work(next++)
        done++
      }
    }),
  )
  return (done * 1000) / (performance.now() - since)
}
