import type { Connection } from '@libp2p/interface'

/** Parts of the allowed connections: above the first one some are closed, so that as many as the second one stay. */
const HIGH = 7 / 8
const LOW = 3 / 4
/** Milliseconds between two looks. */
const LOOK_MS = 5000
/** Milliseconds in which a new connection is left alone: who joins asks for what it lacks first. */
const NEW_MS = 15_000

/** What making room needs. */
export interface ConnectionRoomInit {
  readonly maxConnections: number
  connections(): readonly Connection[]
  /** Whether a connection is in use, or wanted for itself. */
  isNeeded(connection: Connection): boolean
  /** How well a peer behaved: the lower, the sooner it has to go. */
  scoreOf(peer: string): number
  close(connection: Connection): void
}

/**
 * Keeps room for who comes. The DHT dials many peers that it needs once, and gossip holds on to every connection: without this, the nodes of a large
 * federation are all full, and a newcomer is let in by none. Only connections that others opened are closed, so that nobody can push out the
 * peers that this node chose.
 */
export class ConnectionRoom {
  readonly #init: ConnectionRoomInit
  readonly #high: number
  readonly #low: number
  #timer: NodeJS.Timeout | undefined

  constructor(init: ConnectionRoomInit) {
    this.#init = init
    this.#high = Math.ceil(init.maxConnections * HIGH)
    this.#low = Math.ceil(init.maxConnections * LOW)
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Closes connections where there are too many. */
  look(): void {
    const { isNeeded, scoreOf, close } = this.#init
    const connections = this.#init.connections()
    if (connections.length <= this.#high) return
    const since = Date.now() - NEW_MS
    const idle = connections.filter(
      (connection) => connection.direction === 'inbound' && connection.timeline.open < since && !isNeeded(connection),
    )
    const ordered = idle
      .map((connection) => ({ connection, score: scoreOf(connection.remotePeer.toString()), chance: Math.random() }))
      .sort((a, b) => a.score - b.score || a.chance - b.chance)
    for (const { connection } of ordered.slice(0, connections.length - this.#low)) close(connection)
  }
}
