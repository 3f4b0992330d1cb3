import { startHttp } from '../http/server.ts'
import { hasCode, StartError } from '../kernel/base/errors.ts'
import type { LoadedConfig } from '../kernel/config/load.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { createMetrics } from '../kernel/telemetry/metrics.ts'
import { startNode } from '../node/node.ts'
import type { Serving } from './serve.ts'

/** What {@link startParts} needs. */
export interface ComposeOptions {
  readonly config: Config
  readonly origins: LoadedConfig['origins']
  readonly logger: Logger
  /** Asked once the node holds its data directory, because it may create a file there. */
  adminKey(): string
}

/** Puts node and facade together: the node first, HTTP when it can answer; stopped in reverse. */
export async function startParts({ config, origins, logger, adminKey }: ComposeOptions): Promise<Serving> {
  const metrics = createMetrics()
  const node = await startNode({ config, logger, metrics })
  try {
    const http = { config: config.http, cells: config.cells, adminKey: adminKey(), logger, metrics }
    const server = await startHttp(node, http).catch((error: unknown) => {
      throw hasCode(error, 'EADDRINUSE') ? portTaken(config, origins) : error
    })
    return {
      file: { provider_id: node.providerId, http_url: server.url, p2p_addrs: [...node.addresses], pid: process.pid },
      async stop() {
        await server.close()
        await node.stop()
      },
    }
  } catch (error) {
    await node.stop()
    throw error
  }
}

function portTaken({ http }: Config, origins: LoadedConfig['origins']): StartError {
  const origin = origins.get('http.port') ?? 'default'
  return new StartError(
    `http.port (${origin}): ${http.host} port ${http.port} is taken by another program; choose another, or 0`,
  )
}
