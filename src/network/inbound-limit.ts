import { canonicalHost, rangeOfHost } from '../kernel/egress/address-range.ts'

/** Of all connections, the part that one address may hold: four addresses are needed to shut everybody else out, not one. */
const SHARE = 1 / 4

/** The address that an operator of many hosts pays for: IPv4 as it is, IPv6 by its /64 (RFC 6177 gives one site at least that). */
export function addressGroup(literal: string): string {
  const host = canonicalHost(literal)
  if (!host.includes(':')) return host
  const [head = '', tail] = host.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0')
  return [...first, ...zeros, ...last].slice(0, 4).join(':')
}

/** The group by which a host is limited; undefined where it is not: at loopback and private addresses, which have many nodes behind one. */
export function groupOfHost(host: string): string | undefined {
  const range = rangeOfHost(host)
  return range === 'loopback' || range.startsWith('private:') ? undefined : addressGroup(host)
}

/**
 * Inbound connections per address group: at most a quarter of all. Loopback and private addresses are exempt: a household, a container
 * network or a proxy in front of the node has one address for many nodes, and who is in there is the operator's business.
 */
export class InboundLimit {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(maxConnections: number) {
    this.#most = Math.max(1, Math.floor(maxConnections * SHARE))
  }

  /** Counts a connection from `host`. Undefined when it is one too many; otherwise to be called once, when the connection has ended. */
  enter(host: string): (() => void) | undefined {
    const group = groupOfHost(host)
    if (group === undefined) return () => undefined
    const open = this.#open.get(group) ?? 0
    if (open >= this.#most) return undefined
    this.#open.set(group, open + 1)
    return () => {
      const left = (this.#open.get(group) ?? 1) - 1
      if (left === 0) this.#open.delete(group)
      else this.#open.set(group, left)
    }
  }
}
