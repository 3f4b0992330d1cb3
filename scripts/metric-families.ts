import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startParts } from '../src/cli/compose.ts'
import { loadConfig } from '../src/kernel/config/load.ts'
import { LogRing } from '../src/kernel/telemetry/log-ring.ts'
import { createLogger } from '../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../src/kernel/telemetry/metrics.ts'

/** A metric as its registration describes it. */
export interface MetricDescription {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labels: readonly string[]
}

/** Every metric of this node's own that a node registers, in order of names. Starts one, on free ports and in a temporary folder. */
export async function metricFamilies(): Promise<MetricDescription[]> {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-metrics-'))
  const metrics = createMetrics()
  try {
    const { config } = loadConfig({
      env: {
        HOME: folder,
        CYTOPLEX_DATA_DIR: join(folder, 'data'),
        CYTOPLEX_API_PORT: '0',
        CYTOPLEX_P2P_PORT: '0',
        CYTOPLEX_P2P_HOST: '127.0.0.1',
      },
      flags: {},
    })
    const logger = createLogger({ level: 'silent' })
    const node = await startParts({ config, logger, logs: new LogRing(), metrics, adminKey: () => 'not-asked-for' })
    await node.stop()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  // The objects of the registry know the names of their labels, which its types leave out.
  const families = metrics.registry.getMetricsAsArray() as unknown as {
    name: string
    help: string
    type: string
    labelNames?: string[]
  }[]
  return families
    .filter(({ name }) => /^(cytoplex|ian)_/.test(name))
    .map(({ name, help, type, labelNames = [] }) => ({ name, help, type, labels: [...labelNames] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
