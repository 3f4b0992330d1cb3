import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What every metric of ours says about itself. Names start with `cytoplex_`; units are part of the name (`_seconds`, `_bytes`). */
export interface MetricOptions<Label extends string> {
  readonly name: `cytoplex_${string}`
  readonly help: string
  readonly labels?: readonly Label[]
  /** Called before each scrape, to set values that are only worth computing then. */
  readonly collect?: () => void | Promise<void>
}

/** The node's metrics: a registry of its own, and constructors that register in it. Registering a name twice throws. */
export interface Metrics {
  readonly registry: Registry
  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label>
  gauge<Label extends string = never>(options: MetricOptions<Label>): Gauge<Label>
  /** `buckets`: upper bounds, ascending, in the unit of the name. */
  histogram<Label extends string = never>(
    options: MetricOptions<Label> & { readonly buckets?: readonly number[] },
  ): Histogram<Label>
}

/** Makes the metrics of one node, with the process's own (`process_*`, `nodejs_*`) already in the registry. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    counter: (options) => new Counter(configuration(registry, options)),
    gauge: (options) => new Gauge(configuration(registry, options)),
    histogram: (options) =>
      new Histogram({
        ...configuration(registry, options),
        ...(options.buckets ? { buckets: [...options.buckets] } : {}),
      }),
  }
}

function configuration<Label extends string>(
  registry: Registry,
  { name, help, labels, collect }: MetricOptions<Label>,
) {
  return { name, help, labelNames: labels ?? [], registers: [registry], ...(collect ? { collect } : {}) }
}
