import type { Logger } from '../kernel/telemetry/logger.ts'

/** Milliseconds between two lines about one peer. */
const QUIET_MS = 60_000
/** Peers that are written about per minute: identities cost nothing, so that a limit per peer alone would bound nothing. */
const PEERS_PER_MINUTE = 100

interface Told {
  /** When its last line was written, in milliseconds. */
  readonly at: number
  /** Lines that were not written since. */
  held: number
}

/** Log lines that peers can cause at will: at most one per peer and minute, and 100 in all. The rest is counted in the next line. */
export class PeerWarnings {
  readonly #logger: Logger
  readonly #now: () => number
  /** By peer, oldest first. */
  readonly #told = new Map<string, Told>()
  /** Lines that no entry counts any more. */
  #held = 0

  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger
    this.#now = now
  }

  /** Writes a line, or counts it. `held_back`: lines that were only counted, about this peer or others. */
  write(level: 'warn' | 'error', peer: string, err: unknown, message: string): void {
    const now = this.#now()
    const told = this.#told.get(peer)
    if (told !== undefined && now - told.at < QUIET_MS) {
      told.held++
      return
    }
    this.#forget(now)
    if (this.#told.size >= PEERS_PER_MINUTE) {
      this.#held++
      return
    }
    const held = this.#held
    this.#held = 0
    this.#told.set(peer, { at: now, held: 0 })
    this.#logger[level](held === 0 ? { peer, err } : { peer, err, held_back: held }, message)
  }

  #forget(now: number): void {
    for (const [peer, { at, held }] of this.#told) {
      if (now - at < QUIET_MS) return
      this.#told.delete(peer)
      this.#held += held
    }
  }
}
