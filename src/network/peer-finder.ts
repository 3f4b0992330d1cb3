import type { KnownPeers } from './known-peers.ts'
import type { PeerExchange } from './peer-exchange.ts'
import { DIAL_MS, jittered } from './redialler.ts'
import { ignore } from './streams.ts'

/** Connections below which more peers are looked for: the mesh of gossip wants six to twelve. */
const TARGET_CONNECTIONS = 12
/** Dials at a time. */
const AT_ONCE = 4
/** Milliseconds until connections are counted again, and after a connection was opened or lost. */
const SLOWLY_MS = 30_000
const SOON_MS = 500
/** Milliseconds for one exchange. */
const ASK_MS = 10_000

/** What the finder needs. */
export interface PeerFinderInit {
  readonly known: KnownPeers
  readonly exchange: Pick<PeerExchange, 'ask' | 'mayAsk'>
  readonly maxConnections: number
  /** Connected peers that speak the protocol. */
  connected(): readonly string[]
  isConnected(peer: string): boolean
  dial(peer: string, addresses: readonly string[], signal: AbortSignal): Promise<void>
}

/** Looks for more peers while the node has few: dials those that it knows, and asks those that it has for others. */
export class PeerFinder {
  readonly #init: PeerFinderInit
  readonly #target: number
  #stop: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #work: Promise<void> | undefined

  constructor(init: PeerFinderInit) {
    this.#init = init
    // Leaves room for who comes by itself.
    this.#target = Math.min(TARGET_CONNECTIONS, Math.max(1, Math.floor(init.maxConnections / 2)))
  }

  start(): void {
    this.#stop = new AbortController()
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#stop?.abort(new Error('the network stopped'))
    this.#stop = undefined
    clearTimeout(this.#timer)
    await this.#work
  }

  /** A peer came or went, or one was heard of. */
  changed(): void {
    this.#in(SOON_MS)
  }

  #in(ms: number): void {
    if (this.#stop === undefined) return
    const at = Date.now() + jittered(ms)
    if (at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => this.#wake(), at - Date.now())
  }

  #wake(): void {
    clearTimeout(this.#timer)
    this.#timerAt = Number.POSITIVE_INFINITY
    const stop = this.#stop
    if (stop === undefined) return
    if (this.#work !== undefined) {
      this.#in(SOON_MS)
      return
    }
    this.#work = this.#look(stop.signal).finally(() => {
      this.#work = undefined
      this.#in(SLOWLY_MS)
    })
  }

  /** Never rejects. */
  async #look(stop: AbortSignal): Promise<void> {
    const { known, isConnected } = this.#init
    const tried = new Set<string>()
    while (!stop.aborted) {
      const missing = this.#target - this.#init.connected().length
      if (missing <= 0) return
      const next = known.candidates(Math.min(missing, AT_ONCE), (peer) => tried.has(peer) || isConnected(peer))
      if (next.length === 0 && !(await this.#ask(stop))) return
      await Promise.all(
        next.map(([peer, { addresses }]) => {
          tried.add(peer)
          return this.#dial(peer, addresses, stop)
        }),
      )
    }
  }

  /** Never rejects. */
  async #dial(peer: string, addresses: readonly string[], stop: AbortSignal): Promise<void> {
    // Until it is seen to speak the protocol: who answers the door and says nothing is not dialled over and over.
    this.#init.known.failed(peer)
    await this.#init.dial(peer, addresses, AbortSignal.any([stop, AbortSignal.timeout(DIAL_MS)])).catch(ignore)
  }

  /** Asks one connected peer for others. False when all were asked within the last minute. */
  async #ask(stop: AbortSignal): Promise<boolean> {
    const { exchange } = this.#init
    const askable = this.#init.connected().filter((peer) => exchange.mayAsk(peer))
    const peer = askable[Math.floor(Math.random() * askable.length)]
    if (peer === undefined) return false
    await exchange.ask(peer, AbortSignal.any([stop, AbortSignal.timeout(ASK_MS)]))
    return true
  }
}
