import type { NodeEvent } from '../../protocol/events.ts'

type Sample = Extract<NodeEvent, { type: 'traffic_sample' }>

/** Samples that a chart shows: ten minutes of one every two seconds. */
const KEPT = 300

/** Columns of a chart: seconds since the epoch, requests a second, milliseconds of an answer on average, and of the slowest. */
export type TrafficColumns = readonly [
  times: number[],
  rates: number[],
  averages: (number | null)[],
  slowest: (number | null)[],
]

export const NO_TRAFFIC: TrafficColumns = [[], [], [], []]

/** The columns with one more sample, and without those that are too old. */
export function withSample(
  [times, rates, averages, slowest]: TrafficColumns,
  { data, timestamp }: Sample,
): TrafficColumns {
  const add = <T>(column: readonly T[], value: T): T[] => [...column, value].slice(-KEPT)
  return [
    add(times, timestamp / 1000),
    add(rates, data.requests / data.seconds),
    add(averages, data.average_ms),
    add(slowest, data.slowest_ms),
  ]
}
