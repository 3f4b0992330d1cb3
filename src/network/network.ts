import type { Network, NetworkInit } from './api.ts'
import { Libp2pNetwork } from './libp2p-network.ts'

export type { Network, NetworkInit } from './api.ts'
export type { Judge, NetworkHandlers, Verdict } from './handlers.ts'
export type { Wiring } from './host.ts'

/** Makes the network. Nothing is opened before `start()`. Throws `StartError` for a malformed seed. */
export function createNetwork(init: NetworkInit): Network {
  return new Libp2pNetwork(init)
}
