import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import { publicKeyOf } from '../kernel/identity/ids.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { tcpTarget } from './addresses.ts'
import type { Redialler, RedialTarget } from './redialler.ts'

/** How one seed is doing. */
export interface SeedState {
  /** As configured. */
  readonly address: string
  readonly connected: boolean
  /** Dials since the start. */
  readonly attempts: number
  /** Why the last dial failed; null when it did not. */
  readonly lastError: string | null
}

const ALLOWED = '/ip4/…/tcp/…[/p2p/…], tcp://host:port or host:port'
const NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?$/i

/** The multiaddr of a configured seed: a TCP multiaddr, `tcp://host:port` or `host:port` (IPv6 in brackets). Throws `StartError`. */
export function parseSeed(text: string): Multiaddr {
  const address = text.startsWith('/') ? parseMultiaddr(text) : parseHostPort(text)
  const target = tcpTarget(address)
  if (target === undefined || Number(target.port) === 0) throw malformed(text, 'it is no address of a TCP port')
  if (target.peer !== undefined) {
    try {
      publicKeyOf(target.peer)
    } catch (error) {
      throw malformed(text, `its peer id is wrong: ${errorMessage(error)}`)
    }
  }
  return address
}

function parseMultiaddr(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (error) {
    throw malformed(text, errorMessage(error))
  }
}

function parseHostPort(text: string): Multiaddr {
  const match = /^(?:tcp:\/\/)?(?:\[([^\]]*)\]|([^:/[\]]+)):([0-9]{1,5})\/?$/.exec(text)
  if (match === null) throw malformed(text, 'it has no host and port')
  const [, inBrackets, plain, port] = match
  const host = inBrackets ?? plain ?? ''
  if (Number(port) > 65535) throw malformed(text, `port ${port} is above 65535`)
  if (inBrackets !== undefined) {
    if (isIP(host) !== 6) throw malformed(text, `${host} is no IPv6 address`)
    return multiaddr(`/ip6/${host}/tcp/${port}`)
  }
  if (isIP(host) === 4) return multiaddr(`/ip4/${host}/tcp/${port}`)
  if (/^[0-9.]+$/.test(host) || !NAME.test(host)) throw malformed(text, `${host} is neither a name nor an address`)
  return multiaddr(`/dns4/${host}/tcp/${port}`)
}

function malformed(text: string, reason: string): StartError {
  return new StartError(`The seed "${text}" cannot be used: ${reason}. Allowed are ${ALLOWED}.`)
}

/** Milliseconds between two warnings about one seed. */
const WARNING_MS = 60_000

/** What the keeper needs. */
export interface SeedKeeperInit {
  readonly seeds: readonly string[]
  readonly self: string
  readonly logger: Logger
  readonly redialler: Redialler
  /** Connects, and tells to whom. */
  dial(address: Multiaddr, signal: AbortSignal): Promise<string>
  isConnected(peer: string): boolean
}

interface Seed extends RedialTarget {
  readonly text: string
  readonly address: Multiaddr
  attempts: number
  lastError: string | null
}

/** Keeps the seeds connected. A seed that is this node is dropped. */
export class SeedKeeper {
  readonly #init: SeedKeeperInit
  #seeds: Seed[] = []

  /** Throws `StartError` for a malformed seed. */
  constructor(init: SeedKeeperInit) {
    this.#init = init
    for (const text of new Set(init.seeds)) {
      const address = parseSeed(text)
      if (tcpTarget(address)?.peer !== init.self) this.#seeds.push(this.#seed(text, address))
    }
    for (const seed of this.#seeds) init.redialler.add(seed)
  }

  /** The addresses that are dialled. */
  get addresses(): readonly Multiaddr[] {
    return this.#seeds.map(({ address }) => address)
  }

  isSeed(peer: string): boolean {
    return this.#seeds.some((seed) => seed.peer() === peer)
  }

  states(): SeedState[] {
    return this.#seeds.map((seed) => {
      const peer = seed.peer()
      return {
        address: seed.text,
        connected: peer !== undefined && this.#init.isConnected(peer),
        attempts: seed.attempts,
        lastError: seed.lastError,
      }
    })
  }

  #seed(text: string, address: Multiaddr): Seed {
    const { logger, dial } = this.#init
    /** Known from the address, or since the first connection. */
    let peer = tcpTarget(address)?.peer
    let warnedAt = Number.NEGATIVE_INFINITY
    const seed: Seed = {
      text,
      address,
      attempts: 0,
      lastError: null,
      peer: () => peer,
      async dial(signal) {
        seed.attempts++
        peer = await dial(address, signal)
        seed.lastError = null
        logger.info({ seed: text, peer }, 'connected to a seed')
      },
      failed: (error) => {
        if (isDialToSelf(error)) {
          this.#seeds = this.#seeds.filter((other) => other !== seed)
          logger.info({ seed: text }, 'a seed is this node itself; it is dropped')
          return false
        }
        seed.lastError = reasonOf(error)
        if (Date.now() - warnedAt < WARNING_MS) return true
        warnedAt = Date.now()
        logger.warn(
          { seed: text, reason: seed.lastError, attempts: seed.attempts },
          'a seed does not answer; it will be tried again. Check its address and port, that it runs, and that no firewall is between',
        )
        return true
      },
    }
    return seed
  }
}

/** Why a dial failed, over all addresses. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return errorMessage(error)
}

/** libp2p notices after the handshake that the other end is the same peer. */
function isDialToSelf(error: unknown): boolean {
  return /dial self/i.test(reasonOf(error))
}
