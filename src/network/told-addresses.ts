import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import type { AddressRange } from '../kernel/egress/address-range.ts'
import { rangeOf, relayedTarget, tcpTarget } from './addresses.ts'
import type { DialRules } from './dial-rules.ts'

/** What deciding needs. */
export interface ToldAddressesInit {
  readonly self: string
  /** Whether peers are dialled through relays at all. */
  readonly relays: boolean
  readonly rules: Pick<DialRules, 'configure' | 'approve'>
  /** Ranges from which a peer is connected. */
  rangesOf(peer: string): readonly AddressRange[]
}

/** Addresses of peers that somebody told of. */
export class ToldAddresses {
  readonly #init: ToldAddressesInit

  constructor(init: ToldAddressesInit) {
    this.#init = init
  }

  /** Those of a peer's addresses that may be dialled, given who told them (absent: the operator). The private ones among them are approved. */
  allowed(peer: string, addresses: readonly string[], learnedFrom: string | undefined): Multiaddr[] {
    const { self, relays, rules, rangesOf } = this.#init
    const ranges = learnedFrom === undefined ? [] : rangesOf(learnedFrom)
    const allowed: Multiaddr[] = []
    for (const text of addresses.slice(0, LIMITS.announcementAddresses)) {
      const address = parsed(text)
      const relayed = address && relayedTarget(address)
      if (relayed !== undefined && (!relays || relayed.relayPeer === self)) continue
      // What is said of a relayed address below is said of the relay's.
      const direct = relayed?.relay ?? address
      const target = direct && tcpTarget(direct)
      if (address === undefined || direct === undefined || target === undefined) continue
      if ((relayed?.peer ?? target.peer ?? peer) !== peer) continue
      const range = rangeOf(direct)
      if (learnedFrom === undefined) rules.configure(direct)
      else if (range === 'special' || (range !== 'public' && !ranges.includes(range))) continue
      else if (range !== 'public') rules.approve(direct)
      allowed.push(address)
    }
    return allowed
  }
}

function parsed(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}
