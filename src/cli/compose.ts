import { startHttp } from '../http/server.ts'
import { systemClock } from '../kernel/base/clock.ts'
import type { DescribedSetting } from '../kernel/config/describe.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { LogRing } from '../kernel/telemetry/log-ring.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { createMetrics, type Metrics } from '../kernel/telemetry/metrics.ts'
import { startNode } from '../node/node.ts'
import { certificateSource } from './certificate-source.ts'
import type { Serving } from './serve.ts'

/** What {@link startParts} needs. */
export interface ComposeOptions {
  readonly config: Config
  readonly logger: Logger
  /** The newest lines that the logger wrote. */
  readonly logs: LogRing
  /** Where the node counts; its own unless given. */
  readonly metrics?: Metrics
  /** Asked once the node holds its data directory, because it may create a file there. */
  adminKey(): string
  /** What administrators are shown of the configuration; nothing unless given. */
  settings?(): readonly DescribedSetting[]
}

/** Puts node and facade together: the node first, HTTP when it can answer; stopped in reverse. */
export async function startParts({
  config,
  logger,
  logs,
  metrics = createMetrics(),
  adminKey,
  settings,
}: ComposeOptions): Promise<Serving> {
  const node = await startNode({ config, logger, metrics })
  try {
    const options = {
      config: config.http,
      cells: config.cells,
      adminKey: adminKey(),
      settings: settings?.() ?? [],
      logger,
      logs,
      metrics,
      clock: systemClock,
      certificate: certificateSource(config, systemClock),
      healthPort: config.health.enable_server ? config.health.port : undefined,
      operators: config.events.operators,
      memoryRates: config.memory.rate_per_minute,
    }
    const server = await startHttp(node, options)
    const { healthUrl, wsUrl } = server
    if (healthUrl !== undefined) logger.info({ url: healthUrl }, 'listening for health checks')
    if (wsUrl !== undefined) logger.info({ url: wsUrl }, 'listening for events')
    return {
      file: { provider_id: node.providerId, http_url: server.url, p2p_addrs: [...node.addresses], pid: process.pid },
      async stop() {
        try {
          await server.close()
        } finally {
          await node.stop()
        }
      },
    }
  } catch (error) {
    await node.stop().catch((failure: unknown) => logger.error({ err: failure }, 'the node did not stop cleanly'))
    throw error
  }
}
