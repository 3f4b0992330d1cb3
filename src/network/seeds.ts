import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import { publicKeyOf } from '../kernel/identity/ids.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { tcpTarget } from './dial-rules.ts'

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

/** Milliseconds before the second dial, and at most between two; each wait is the one before, doubled. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000
/** Milliseconds between two warnings about one seed. */
const WARNING_MS = 60_000
/** Milliseconds for one dial. */
const DIAL_MS = 10_000

/** What the keeper needs. */
export interface SeedKeeperInit {
  readonly seeds: readonly string[]
  readonly self: string
  readonly logger: Logger
  /** Connects, and tells to whom. */
  dial(address: Multiaddr, signal: AbortSignal): Promise<string>
  isConnected(peer: string): boolean
}

interface Seed {
  readonly text: string
  readonly address: Multiaddr
  /** Known from the address, or since the first connection. */
  peer: string | undefined
  attempts: number
  failures: number
  lastError: string | null
  warnedAt: number
  timer: NodeJS.Timeout | undefined
  dialling: boolean
}

/** Keeps the seeds connected: dials them, for ever, ever more slowly, and again when a connection is lost. A seed that is this node is dropped. */
export class SeedKeeper {
  readonly #init: SeedKeeperInit
  #seeds: Seed[] = []
  #stop = new AbortController()

  /** Throws `StartError` for a malformed seed. */
  constructor(init: SeedKeeperInit) {
    this.#init = init
    for (const text of new Set(init.seeds)) {
      const address = parseSeed(text)
      const peer = tcpTarget(address)?.peer
      if (peer === init.self) continue
      this.#seeds.push({
        text,
        address,
        peer,
        attempts: 0,
        failures: 0,
        lastError: null,
        warnedAt: Number.NEGATIVE_INFINITY,
        timer: undefined,
        dialling: false,
      })
    }
  }

  /** The addresses that are dialled. */
  get addresses(): readonly Multiaddr[] {
    return this.#seeds.map(({ address }) => address)
  }

  start(): void {
    this.#stop = new AbortController()
    for (const seed of this.#seeds) this.#attempt(seed)
  }

  stop(): void {
    this.#stop.abort(new Error('the network stopped'))
    for (const seed of this.#seeds) {
      clearTimeout(seed.timer)
      seed.timer = undefined
    }
  }

  /** To be called when the last connection to a peer is lost. */
  disconnected(peer: string): void {
    for (const seed of this.#seeds) if (seed.peer === peer) this.#schedule(seed)
  }

  isSeed(peer: string): boolean {
    return this.#seeds.some((seed) => seed.peer === peer)
  }

  states(): SeedState[] {
    return this.#seeds.map((seed) => ({
      address: seed.text,
      connected: this.#isConnected(seed),
      attempts: seed.attempts,
      lastError: seed.lastError,
    }))
  }

  #isConnected(seed: Seed): boolean {
    return seed.peer !== undefined && this.#init.isConnected(seed.peer)
  }

  /** Half of the wait is random, so that nodes which lost the same seed do not come back at the same moment. */
  #schedule(seed: Seed): void {
    if (this.#stop.signal.aborted || seed.timer !== undefined || seed.dialling) return
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, Math.min(seed.failures, 20) - 1))
    seed.timer = setTimeout(
      () => {
        seed.timer = undefined
        this.#attempt(seed)
      },
      wait / 2 + (Math.random() * wait) / 2,
    )
  }

  #attempt(seed: Seed): void {
    if (this.#isConnected(seed)) return
    seed.dialling = true
    seed.attempts++
    const { signal } = this.#stop
    this.#init
      .dial(seed.address, AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]))
      .then(
        (peer) => this.#reached(seed, peer),
        (error: unknown) => this.#failed(seed, error),
      )
      .finally(() => {
        seed.dialling = false
        if (this.#seeds.includes(seed) && !this.#isConnected(seed)) this.#schedule(seed)
      })
  }

  #reached(seed: Seed, peer: string): void {
    this.#init.logger.info({ seed: seed.text, peer }, 'connected to a seed')
    seed.peer = peer
    seed.failures = 0
    seed.lastError = null
  }

  #failed(seed: Seed, error: unknown): void {
    if (this.#stop.signal.aborted) return
    const { logger } = this.#init
    if (isDialToSelf(error)) {
      this.#seeds = this.#seeds.filter((other) => other !== seed)
      logger.info({ seed: seed.text }, 'a seed is this node itself; it is dropped')
      return
    }
    seed.failures++
    seed.lastError = reasonOf(error)
    if (Date.now() - seed.warnedAt < WARNING_MS) return
    seed.warnedAt = Date.now()
    logger.warn(
      { seed: seed.text, reason: seed.lastError, attempts: seed.attempts },
      'a seed does not answer; it will be tried again',
    )
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return errorMessage(error)
}

/** libp2p notices after the handshake that the other end is the same peer. */
function isDialToSelf(error: unknown): boolean {
  return /dial self/i.test(reasonOf(error))
}
