/** A node in a process of its own that never answers; it tells its parent when it was asked. */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createNetwork } from '../../src/network/network.ts'
import { emptyHandlers, NETWORK, newIdentity, testP2p } from './nodes.ts'

const { identitySeed, providerId, wire } = newIdentity()
const network = createNetwork({
  network: NETWORK,
  identitySeed,
  providerId,
  wire,
  config: testP2p({ max_connections: 10 }),
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
