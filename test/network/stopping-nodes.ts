/** Two nodes that use everything, and a seed that does not answer; then they stop, and the process must end by itself. */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createNetwork } from '../../src/network/network.ts'
import { askFor, emptyHandlers, NETWORK, newIdentity, within } from './nodes.ts'

function make(seeds: string[]) {
  const { identitySeed, providerId, wire } = newIdentity()
  const met = Promise.withResolvers<void>()
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
      seeds,
      max_connections: 10,
      inbound_per_second: 100,
      relay: 'off',
      hole_punching: false,
    },
    logger: pino({ level: 'silent' }),
    metrics: { registry: new Registry() },
    events: { emit: (name) => name === 'peer_connected' && met.resolve() },
    handlers: emptyHandlers,
  })
  return { network, providerId, met: met.promise }
}

const a = make([])
await a.network.start()
const b = make([...a.network.addresses, '127.0.0.1:1'])
await b.network.start()
await b.met
await b.network.request(a.providerId, 'cell_request', askFor('x'), within())
await b.network.publish('announcements', Buffer.from('hello'))
await b.network.provide('capability/x', AbortSignal.timeout(5000))
for await (const _found of a.network.findProviders('capability/x', { limit: 3, signal: AbortSignal.timeout(5000) }))
  break
await Promise.all([a.network.stop(), b.network.stop()])
process.send?.('stopped')
