import { Registry } from 'prom-client'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { createNetwork } from '../../src/network/network.ts'
import { emptyHandlers, newIdentity, silentLogger, testP2p } from './nodes.ts'

/** A node without seeds on the local network; it tells its parent who it is, and whom it meets. */
const name = process.argv[2]!
const { identitySeed, providerId, wire } = newIdentity(name)
const events = new Events(silentLogger)
const node = createNetwork({
  network: name,
  identitySeed,
  providerId,
  wire,
  config: testP2p({ host: '0.0.0.0', mdns: true }),
  logger: silentLogger,
  metrics: { registry: new Registry() },
  events,
  handlers: emptyHandlers,
})
events.on('peer_connected', (peer) => process.send?.({ peer: peer.providerId }))
process.send?.({ self: providerId })
process.on('disconnect', () => process.exit())
await node.start()
