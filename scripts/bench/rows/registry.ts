import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { alternate, type Measurement, median } from '../measure.ts'
import type { Row } from '../row.ts'

const LOOK_UPS = 1_000_000
const NANOSECONDS = 1e6
const MOST_NS = 1000

export const registry: Row = {
  name: 'registry',
  title: 'look-up in the provider registry',
  async run(context) {
    const providers = isolatedRegistry()
    const names = ['battery', 'default', 'memory', 'speed']
    const map = new Map(names.map((name) => [name, providers.getProviderInfo('rankers', name)]))
    const lookUps = context.quick ? 1000 : LOOK_UPS
    const timed = (lookUp: (name: string) => { readonly name: string } | undefined): number => {
      const since = performance.now()
      let found = 0
      for (let number = 0; number < lookUps; number++) {
        const name = names[number % names.length]!
        if (lookUp(name)?.name === name) found++
      }
      if (found !== lookUps) throw new Error(`${found} of ${lookUps} look-ups found their provider`)
      return ((performance.now() - since) * NANOSECONDS) / lookUps
    }
    const { ours, baseline } = await alternate(context.rounds, {
      ours: async () => timed((name) => providers.getProviderInfo('rankers', name)),
      baseline: async () => timed((name) => map.get(name)),
    })
    const line: Measurement = {
      label: registry.title,
      unit: 'ns',
      ours: median(ours),
      baseline: median(baseline),
      ratio: median(ours) / median(baseline),
      bound: { kind: 'below', value: MOST_NS },
      reached: median(ours) < MOST_NS,
      note: 'baseline: one Map; here smaller is better',
    }
    return [line]
  },
}
