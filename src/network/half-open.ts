/** An inbound connection whose handshake is under way, as far as it matters here. */
export interface HalfOpenConnection {
  abort(error: Error): void
}

/**
 * Inbound connections whose handshake is under way, so many at most. One too many costs the oldest one of the address group that has the most: who
 * connects in order to say nothing displaces itself, and an honest handshake, which takes a few round trips, ends before its turn comes.
 */
export class HalfOpen {
  readonly #most: number
  readonly #groupOf = new Map<HalfOpenConnection, string>()
  /** Oldest first. */
  readonly #groups = new Map<string, Set<HalfOpenConnection>>()

  constructor(most: number) {
    this.#most = most
  }

  /** Counts a connection, at the cost of another one if need be. */
  enter(connection: HalfOpenConnection, group: string): void {
    const members = this.#groups.get(group) ?? new Set()
    this.#groups.set(group, members.add(connection))
    this.#groupOf.set(connection, group)
    if (this.#groupOf.size > this.#most) this.#displace()
  }

  /** The handshake is over, or the connection is closed. */
  leave(connection: HalfOpenConnection): void {
    const group = this.#groupOf.get(connection)
    if (group === undefined) return
    this.#groupOf.delete(connection)
    const members = this.#groups.get(group)
    members?.delete(connection)
    if (members?.size === 0) this.#groups.delete(group)
  }

  #displace(): void {
    let largest: ReadonlySet<HalfOpenConnection> = new Set()
    for (const members of this.#groups.values()) if (members.size > largest.size) largest = members
    const [oldest] = largest
    if (oldest === undefined) return
    this.leave(oldest)
    oldest.abort(new Error('the handshake took too long while others waited'))
  }
}
