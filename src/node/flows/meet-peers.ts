import type { NodeParts } from '../parts.ts'

/** A connected peer, and who opened the connection. */
interface Met {
  readonly providerId: string
  readonly direction: 'inbound' | 'outbound'
}

/** Tells `met` of the peers that are connected now, and of each that connects from now on, until the function that is returned is called. */
export function meetPeers(
  { events, network }: Pick<NodeParts, 'events'> & { readonly network: Pick<NodeParts['network'], 'connectedPeers'> },
  met: (peer: Met) => unknown,
): () => void {
  const unsubscribe = events.on('peer_connected', met)
  for (const peer of network.connectedPeers()) met(peer)
  return unsubscribe
}
