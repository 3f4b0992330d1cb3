import type { AddressRange } from '../kernel/egress/address-range.ts'

/** Whether a node answers the DHT's queries, or only asks. */
export type DhtMode = 'server' | 'client'

/**
 * What a node is when its operator leaves it open. A server where others can dial it: it has a public address (or a name that the operator announces,
 * which counts as one), or every peer that it has is in a private range like itself. A node without a public address among public peers is
 * behind a router: it would be found and not reached.
 */
export function dhtModeOf(own: readonly AddressRange[], peers: Iterable<AddressRange>): DhtMode {
  if (own.length === 0) return 'client'
  if (own.some((range) => range === 'public' || range === 'special')) return 'server'
  for (const range of peers) if (range === 'public') return 'client'
  return 'server'
}
