/** A node in a process of its own that never answers; it tells its parent when it was asked. */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createNetwork } from '../../src/network/network.ts'
import { emptyHandlers, NETWORK, newIdentity } from './nodes.ts'

const { identitySeed, providerId, wire } = newIdentity()
const network = createNetwork({
  network: NETWORK,
  identitySeed,
  providerId,
  wire,
  config: {
    host: '127.0.0.1',
    port: 0,
    announce: [],
    seeds: [],
    max_connections: 10,
    inbound_per_second: 100,
    upload_bytes_per_second: 0,
    download_bytes_per_second: 0,
  },
  logger: pino({ level: 'silent' }),
  metrics: { registry: new Registry() },
  events: { emit: () => undefined },
  handlers: {
    ...emptyHandlers,
    onCellRequest: () => {
      process.send?.('asked')
      return new Promise(() => undefined)
    },
  },
})
await network.start()
process.send?.({ providerId, addresses: network.addresses })
