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
    listen: [],
    announce: [],
    seeds: [],
    max_connections: 10,
    inbound_per_second: 100,
    relay: 'off',
    hole_punching: false,
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
