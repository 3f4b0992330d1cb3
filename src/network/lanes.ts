/** What one peer is asked at once, so that this node keeps the limits that its peers draw: the next one waits here instead of being refused there. */
export class Lanes {
  readonly #most: number
  readonly #peers = new Map<string, { open: number; readonly waiting: Set<() => void> }>()

  /** `most`: at once and per peer. */
  constructor(most: number) {
    this.#most = most
  }

  /** Waits for a place; resolves to what gives it back, to be called once. Throws the reason of `signal` when that fires first. */
  async enter(peer: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const lane = this.#peers.get(peer) ?? { open: 0, waiting: new Set() }
    this.#peers.set(peer, lane)
    if (lane.open < this.#most) lane.open++
    else await turn(lane.waiting, signal)
    return () => this.#leave(peer)
  }

  /** A place goes straight to who waited longest. */
  #leave(peer: string): void {
    const lane = this.#peers.get(peer)
    if (lane === undefined) return
    const [next] = lane.waiting
    if (next !== undefined) next()
    else if (--lane.open === 0) this.#peers.delete(peer)
  }
}

function turn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      waiting.delete(go)
      signal.removeEventListener('abort', giveUp)
    }
    const go = (): void => {
      settle()
      resolve()
    }
    const giveUp = (): void => {
      settle()
      reject(signal.reason)
    }
    waiting.add(go)
    signal.addEventListener('abort', giveUp)
  })
}
