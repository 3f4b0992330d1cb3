/** One line of the table. */
export interface Measurement {
  readonly label: string
  readonly unit: string
  /** Median over the rounds. */
  readonly ours: number
  /** Median of the baseline over the same rounds; absent where the bound is absolute. */
  readonly baseline?: number
  /** `ours / baseline`. */
  readonly ratio?: number
  /** What has to be reached; absent where a figure only explains another. */
  readonly bound?: { readonly kind: 'ratio' | 'below' | 'above'; readonly value: number }
  /** Absent without a bound. */
  readonly reached?: boolean
  /** What was compared, and how busy it was. */
  readonly note?: string
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that a share `share` of all is not above (nearest rank). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/**
 * Runs every function once to warm up, then all of them in turn, `rounds` times, so that what else the machine does hits all alike. Returns
 * the figures of each. A single round is no measurement, and is not warmed up.
 */
export async function alternate<Runs extends Readonly<Record<string, () => Promise<number>>>>(
  rounds: number,
  runs: Runs,
): Promise<Record<keyof Runs, number[]>> {
  const entries = Object.entries(runs).map(([name, run]) => ({ name, run, figures: [] as number[] }))
  if (rounds > 1) for (const { run } of entries) await run()
  for (let round = 0; round < rounds; round++) {
    for (const { run, figures } of entries) figures.push(await run())
  }
  return Object.fromEntries(entries.map(({ name, figures }) => [name, figures])) as Record<keyof Runs, number[]>
}

/** A line whose figure is a rate, compared with a baseline's rate. */
export function compared(
  label: string,
  unit: string,
  ours: readonly number[],
  baseline: readonly number[],
  least: number,
  note?: string,
): Measurement {
  const ratio = median(ours) / median(baseline)
  return {
    label,
    unit,
    ours: median(ours),
    baseline: median(baseline),
    ratio,
    bound: { kind: 'ratio', value: least },
    reached: ratio >= least,
    ...(note === undefined ? {} : { note }),
  }
}

/** A line whose figure has an absolute bound. */
export function bounded(
  label: string,
  unit: string,
  figures: readonly number[],
  most: number,
  note?: string,
): Measurement {
  const ours = median(figures)
  const bound = { kind: 'below', value: most } as const
  return { label, unit, ours, bound, reached: ours < most, ...(note === undefined ? {} : { note }) }
}
