/** Bytes of signed messages with one peer, since it was connected. */
export interface MessageCount {
  readonly sent: number
  readonly received: number
}

const NONE: MessageCount = { sent: 0, received: 0 }

/**
 * How many bytes of messages went to and came from each connected peer. Packages, gossip and the DHT are not messages. What is still under way when a
 * peer has left is not counted: of those who are gone nothing is kept.
 */
export class MessageBytes {
  readonly #peers = new Map<string, { sent: number; received: number }>()

  /** A peer has connected; nothing was counted with it yet. */
  add(peer: string): void {
    this.#peers.set(peer, { ...NONE })
  }

  sent(peer: string, bytes: number): void {
    const count = this.#peers.get(peer)
    if (count !== undefined) count.sent += bytes
  }

  received(peer: string, bytes: number): void {
    const count = this.#peers.get(peer)
    if (count !== undefined) count.received += bytes
  }

  of(peer: string): MessageCount {
    return this.#peers.get(peer) ?? NONE
  }

  /** The last connection to a peer was closed. */
  forget(peer: string): void {
    this.#peers.delete(peer)
  }
}
