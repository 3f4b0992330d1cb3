import { DDSketch } from '@datadog/sketches-js'

/** Percentiles are exact to 5 %: a sketch of microseconds to months has 300 bins. */
const RELATIVE_ACCURACY = 0.05
/** Milliseconds below which all durations are zero. */
const RESOLUTION_MS = 0.001

/** Durations at zero, number of the first bin, then the durations in each bin. */
export type LatencyBins = readonly number[]

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

/** How durations are distributed, in a sketch that can be added to others. */
export class Latencies {
  readonly #sketch = new DDSketch({ relativeAccuracy: RELATIVE_ACCURACY })

  add(durationMs: number): void {
    this.#sketch.accept(durationMs < RESOLUTION_MS ? 0 : durationMs)
  }

  addAll(stored: LatencyBins): void {
    const sketch = this.#sketch
    const [zeros = 0, first = 0] = stored
    sketch.zeroCount += zeros
    sketch.count += zeros
    // An overview adds up thousands of these: no copy of the bins, no iterator.
    for (let place = 2; place < stored.length; place++) {
      const count = stored[place]!
      if (count === 0) continue
      sketch.store.add(first + place - 2, count)
      sketch.count += count
    }
  }

  /** In milliseconds; null without any duration. */
  get percentiles(): Percentiles | null {
    const sketch = this.#sketch
    if (sketch.count === 0) return null
    const at = (quantile: number) => Number(sketch.getValueAtQuantile(quantile).toPrecision(3))
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
  }

  toJSON(): LatencyBins {
    const { zeroCount, store } = this.#sketch
    if (store.count === 0) return zeroCount === 0 ? [] : [zeroCount]
    const bins = store.bins.slice(store.minKey - store.offset, store.maxKey - store.offset + 1)
    return [zeroCount, store.minKey, ...bins]
  }
}
