import type { Peer, PeerStore } from '@libp2p/interface'
import { BudgetMap } from '../kernel/base/budget-map.ts'

/** Milliseconds for which the same addresses of a peer are not written again. */
const QUIET_MS = 600_000
/** Peers whose last addresses are remembered. */
const REMEMBERED = 1024

interface Merged {
  readonly addresses: string
  readonly at: number
  readonly peer: Peer
}

/**
 * A peer store as the DHT sees it. With each provider record the library writes the provider's addresses anew, which takes longer than all else: the same ones
 * are not written again for a while.
 */
export function quietPeerStore(store: PeerStore, now: () => number = Date.now): PeerStore {
  /** By multihash. */
  const merged = new BudgetMap<string, Merged>(REMEMBERED)
  return {
    forEach: (...args) => store.forEach(...args),
    all: (...args) => store.all(...args),
    delete: (...args) => store.delete(...args),
    has: (...args) => store.has(...args),
    get: (...args) => store.get(...args),
    getInfo: (...args) => store.getInfo(...args),
    save: (...args) => store.save(...args),
    patch: (...args) => store.patch(...args),
    consumePeerRecord: (...args: Parameters<PeerStore['consumePeerRecord']>) => store.consumePeerRecord(...args),
    async merge(id, data, options) {
      const { multiaddrs, ...rest } = data
      if (multiaddrs === undefined || Object.keys(rest).length > 0) return store.merge(id, data, options)
      const key = Buffer.from(id.toMultihash().bytes).toString('base64')
      const addresses = multiaddrs.join(' ')
      const before = merged.get(key)
      if (before !== undefined && before.addresses === addresses && now() - before.at < QUIET_MS) return before.peer
      const peer = await store.merge(id, data, options)
      merged.set(key, { addresses, at: now(), peer })
      return peer
    },
  }
}
