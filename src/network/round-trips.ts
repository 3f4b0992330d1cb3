/** Milliseconds between two measurements of a peer: a link's delay changes slowly, and each costs two signatures on either side. */
const INTERVAL_MS = 30_000
/** Milliseconds that a ping may take; a slower one says nothing about the link but that it is full. */
const PING_MS = 10_000
/** Weight of the newest measurement (RFC 6298 §2). */
const NEWEST = 1 / 8

/** What the measurements need. */
export interface RoundTripsInit {
  /** Peers to whom a standing stream is open: no stream is opened for a measurement. */
  peers(): Iterable<string>
  /** Resolves when the peer answered; throws the reason of `signal`, or what went wrong. */
  ping(peer: string, signal: AbortSignal): Promise<void>
}

/** How long a round trip to each peer takes, smoothed: a ping when a standing stream was opened, and from then on every 30 s. */
export class RoundTrips {
  readonly #init: RoundTripsInit
  readonly #smoothed = new Map<string, number>()
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(init: RoundTripsInit) {
    this.#init = init
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (const peer of this.#init.peers()) this.measure(peer)
    }, INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#stopped.abort(new Error('the network stopped'))
  }

  /** Milliseconds; undefined before the first answer, and after the peer has left. */
  of(peer: string): number | undefined {
    return this.#smoothed.get(peer)
  }

  forget(peer: string): void {
    this.#smoothed.delete(peer)
  }

  /** Measures once, in the background. A peer that does not answer is left to those who ask it for something. */
  measure(peer: string): void {
    const start = performance.now()
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(PING_MS)])
    this.#init.ping(peer, signal).then(
      () => this.#learn(peer, performance.now() - start),
      () => undefined,
    )
  }

  #learn(peer: string, ms: number): void {
    const known = this.#smoothed.get(peer) ?? ms
    this.#smoothed.set(peer, known + (ms - known) * NEWEST)
  }
}
