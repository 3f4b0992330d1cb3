import type { GossipSub } from '@libp2p/gossipsub'
import type { RPC } from '@libp2p/gossipsub/message'
import type { PeerScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'

/** What a peer did in one topic's mesh. */
interface TopicStats {
  readonly meshMessageDeliveries: number
  readonly meshMessageDeliveriesActive: boolean
}

/**
 * The library's router beyond its interface. The library decides by topic and score alone, after it has verified every signature; limits per peer
 * need the exchange as it comes in.
 */
export interface GossipRouter extends GossipSub {
  /** Takes one exchange of a peer. May be replaced: nothing of it has been looked at. */
  handleReceivedRpc(from: PeerId, exchange: RPC): Promise<void>
  getMeshPeers(topic: string): string[]
  readonly score: {
    readonly params: PeerScoreParams
    readonly peerStats: ReadonlyMap<string, { readonly topics: Readonly<Record<string, TopicStats>> }>
    /** An address of a peer. May be replaced. */
    addIP(peer: string, ip: string): void
    /** A message whose own signature is wrong, or missing. May be replaced. */
    rejectInvalidMessage(from: string, topic: string): void
  }
}

/** The router behind the service. Throws when the library has changed so that limits would not be kept. */
export function routerOf(gossip: GossipSub): GossipRouter {
  const router = gossip as GossipRouter
  const parts: readonly unknown[] = [
    router.handleReceivedRpc,
    router.getMeshPeers,
    router.score?.addIP,
    router.score?.rejectInvalidMessage,
  ]
  if (parts.every((part) => typeof part === 'function')) return router
  throw new TypeError('this version of @libp2p/gossipsub has no place for limits per peer')
}
