import { setTimeout as delay } from 'node:timers/promises'
import { serve } from '../../src/cli/serve.ts'
import { createLogger } from '../../src/kernel/telemetry/logger.ts'

/** A process that serves a node which does nothing: `node serve-fixture.ts DATA_DIR clean|fails|hangs|throws|slow-start`. */
const [dataDir = '', behaviour] = process.argv.slice(2)

// What a real node keeps open.
setInterval(() => undefined, 60_000)

await serve({
  dataDir,
  logger: createLogger({ level: 'info', pretty: false }),
  async start() {
    if (behaviour === 'slow-start') {
      process.stdout.write('starting\n')
      await new Promise((resolve) => process.once('SIGTERM', resolve))
    }
    return {
      file: {
        provider_id: '12D3KooWHM7rryjwQRAp4mV2chMnv9kMBxnSLEE59QVPzNkzaNMb',
        http_url: 'http://x',
        p2p_addrs: [],
        pid: process.pid,
      },
      async stop() {
        if (behaviour === 'fails') throw new Error('will not')
        if (behaviour === 'hangs') {
          process.stdout.write('stopping\n')
          await delay(60_000)
        }
      },
    }
  },
  ready(file) {
    process.stdout.write(`${JSON.stringify(file)}\n`)
    if (behaviour === 'throws')
      setImmediate(() => {
        throw new Error('a defect')
      })
  },
})
