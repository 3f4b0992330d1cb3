/** Bytes of signed messages with one peer, since it was connected. */
export interface MessageCount {
  readonly sent: number
  readonly received: number
}

const NONE: MessageCount = { sent: 0, received: 0 }

/** How many bytes of messages went to and came from each connected peer. Packages, gossip and the DHT are not messages. */
export class MessageBytes {
  readonly #peers = new Map<string, { sent: number; received: number }>()

  sent(peer: string, bytes: number): void {
    this.#of(peer).sent += bytes
  }

  received(peer: string, bytes: number): void {
    this.#of(peer).received += bytes
  }

  of(peer: string): MessageCount {
    return this.#peers.get(peer) ?? NONE
  }

  /** The last connection to a peer was closed. */
  forget(peer: string): void {
    this.#peers.delete(peer)
  }

  #of(peer: string): { sent: number; received: number } {
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    const count = { sent: 0, received: 0 }
    this.#peers.set(peer, count)
    return count
  }
}
