import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { type MetricFamily, namingObjection } from './metric-names.ts'

/** Ours, and those that the agent network's documentation names. */
type MetricName = `cytoplex_${string}` | `ian_${string}`

/** What every metric of ours says about itself. Names start with `cytoplex_`; units are part of the name (`_seconds`, `_bytes`). */
export interface MetricOptions<Label extends string> {
  readonly name: MetricName
  readonly help: string
  readonly labels?: readonly Label[]
  /** Called before each scrape, to set values that are only worth computing then. */
  readonly collect?: () => void | Promise<void>
}

/** How often something happened, with these labels. */
type Count<Label extends string> = readonly [labels: Partial<Record<Label, string>>, count: number]

/** The node's metrics: a registry of its own, and constructors that register in it. Registering a name twice throws. */
export interface Metrics {
  readonly registry: Registry
  /** Everything as a scrape reads it, without those metrics of libraries that Prometheus' linter objects to. */
  text(): Promise<string>
  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label>
  /** A counter of what is counted elsewhere: its values are read at each scrape. */
  counted<Label extends string = never>(
    options: Omit<MetricOptions<Label>, 'collect'> & { readonly read: () => Iterable<Count<Label>> },
  ): void
  gauge<Label extends string = never>(options: MetricOptions<Label>): Gauge<Label>
  /** `buckets`: upper bounds, ascending, in the unit of the name. */
  histogram<Label extends string = never>(
    options: MetricOptions<Label> & { readonly buckets?: readonly number[] },
  ): Histogram<Label>
  /** A number of which nothing is said but its name, read at each scrape: for names that suit no type. */
  untyped(options: { readonly name: MetricName; readonly help: string; readonly read: () => number }): void
}

/** Makes the metrics of one node, with the process's own (`process_*`, `nodejs_*`) already in the registry. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    text: () => exposition(registry),
    counter: (options) => new Counter(configuration(registry, options)),
    counted({ read, ...options }) {
      const collect = (): void => {
        counter.reset()
        for (const [labels, count] of read()) counter.inc(labels, count)
      }
      const counter = new Counter(configuration(registry, { ...options, collect }))
    },
    gauge: (options) => new Gauge(configuration(registry, options)),
    histogram: (options) =>
      new Histogram({
        ...configuration(registry, options),
        ...(options.buckets ? { buckets: [...options.buckets] } : {}),
      }),
    untyped: ({ name, help, read }) => {
      const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) })
      Object.assign(gauge, { type: 'untyped' })
    },
  }
}

/** Names are ours to choose, or the document's; those of libraries are neither. */
const isOurs = (name: string): boolean => name.startsWith('cytoplex_') || name.startsWith('ian_')

async function exposition(registry: Registry): Promise<string> {
  // The objects of the registry know the names of their labels, which its types leave out.
  const families: readonly MetricFamily[] = registry.getMetricsAsArray() as never
  const kept = families.filter((family) => isOurs(family.name) || namingObjection(family) === undefined)
  const texts = await Promise.all(kept.map(({ name }) => registry.getSingleMetricAsString(name)))
  return `${texts.join('\n\n')}\n`
}

function configuration<Label extends string>(
  registry: Registry,
  { name, help, labels, collect }: MetricOptions<Label>,
) {
  return { name, help, labelNames: labels ?? [], registers: [registry], ...(collect ? { collect } : {}) }
}
