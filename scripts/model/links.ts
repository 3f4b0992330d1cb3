import { sha256Hex } from '../../src/kernel/base/hash.ts'
import type { Verdict } from '../../src/network/network.ts'
import { PeerError, Refusal } from '../../src/network/peer-error.ts'
import type { Random } from '../simulate/random.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

/** How links are in one run. */
export interface LinkQuality {
  /** Milliseconds that a message takes at most. */
  readonly delayMs: number
  /** Share of messages that come late, because they are sent again. */
  readonly loss: number
  /** Share of gossiped messages that never arrive. */
  readonly gossipLoss: number
}

/** A running node, as others reach it. */
export interface Reachable {
  readonly owner: Owner
  readonly providerId: string
  answer(method: string, body: object, from: string): Promise<object>
  gossiped(topic: string, bytes: Uint8Array, from: string, author: string): Verdict
  connected(peer: string, direction: 'inbound' | 'outbound'): void
  disconnected(peer: string): void
}

/** Milliseconds after which a lost message is sent again, and until a lost connection is noticed or opened again at most. */
const RETRANSMISSION_MS = 1000
const NOTICE_MS = 3000

interface Connection {
  readonly ends: readonly [Reachable, Reachable]
  isOpen: boolean
  /** By the sender: when what it sent last arrives. */
  readonly last: Map<Reachable, number>
  /** Who waits for an answer, by how to end that. */
  readonly waiting: Map<(error: PeerError) => void, Owner>
}

/** Who is connected to whom, and what is on its way. */
export class ModelLinks {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #quality: LinkQuality
  /** Names that are linked, in both directions. */
  readonly #linked = new Map<string, Set<string>>()
  readonly #running = new Map<string, Reachable>()
  readonly #connections = new Map<string, Connection>()
  readonly #seen = new WeakMap<Reachable, Set<string>>()
  #apart: ReadonlySet<string> = new Set()
  /** What was sent, over all links. */
  messages = 0

  constructor(time: VirtualTime, random: Random, quality: LinkQuality) {
    this.#time = time
    this.#random = random
    this.#quality = quality
  }

  /** Lets two nodes find each other. */
  link(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#linked.set(from, (this.#linked.get(from) ?? new Set()).add(to))
    }
  }

  started(node: Reachable): void {
    this.#running.set(node.owner.name, node)
    this.#follow()
  }

  stopped(node: Reachable): void {
    this.#running.delete(node.owner.name)
    this.#follow()
  }

  /** Lets these nodes reach only each other, and the others only the others. */
  cut(apart: Iterable<string>): void {
    this.#apart = new Set(apart)
    this.#follow()
  }

  heal(): void {
    this.cut([])
  }

  peersOf(node: Reachable): string[] {
    return this.#open(node).map((connection) => otherEnd(connection, node).providerId)
  }

  /** Sends to every peer; each passes on what it accepts. */
  publish(node: Reachable, topic: string, bytes: Uint8Array): void {
    this.#spread(node, { topic, bytes, author: node.providerId }, undefined)
  }

  /** Sends one message to one peer in the name of `author`, as only its gossip could. */
  whisper(node: Reachable, peer: string, message: { topic: string; bytes: Uint8Array; author: string }): void {
    const connection = this.#to(node, peer)
    if (connection !== undefined) this.#gossip(connection, node, message)
  }

  request(node: Reachable, peer: string, method: string, body: object, signal: AbortSignal): Promise<object> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const connection = this.#to(node, peer)
    if (connection === undefined) return Promise.reject(new PeerError('unreachable', `${peer} is not connected`))
    const remote = otherEnd(connection, node)
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        if (!connection.waiting.delete(fail)) return
        signal.removeEventListener('abort', aborted)
        settle()
      }
      const fail = (error: unknown): void => end(() => reject(error))
      const aborted = (): void => fail(signal.reason)
      connection.waiting.set(fail, node.owner)
      signal.addEventListener('abort', aborted)
      const answered = (settle: () => void): void => this.#send(connection, remote, () => end(settle))
      this.#send(connection, node, () => {
        remote.answer(method, structuredClone(body), node.providerId).then(
          (answer) => answered(() => resolve(structuredClone(answer))),
          (error: unknown) =>
            answered(() => reject(new PeerError(error instanceof Refusal ? error.code : 'internal', String(error)))),
        )
      })
    })
  }

  #spread(node: Reachable, message: { topic: string; bytes: Uint8Array; author: string }, except: string | undefined) {
    for (const connection of this.#open(node)) {
      if (otherEnd(connection, node).providerId !== except) this.#gossip(connection, node, message)
    }
  }

  #gossip(connection: Connection, from: Reachable, message: { topic: string; bytes: Uint8Array; author: string }) {
    const to = otherEnd(connection, from)
    if (this.#random.next() < this.#quality.gossipLoss) return
    this.#send(connection, from, () => {
      const seen = this.#seen.get(to) ?? new Set()
      this.#seen.set(to, seen)
      const id = sha256Hex(Buffer.concat([Buffer.from(`${message.topic}\n${message.author}\n`), message.bytes]))
      if (seen.has(id)) return
      seen.add(id)
      const verdict = to.gossiped(message.topic, message.bytes, from.providerId, message.author)
      if (verdict === 'accept') this.#spread(to, message, from.providerId)
    })
  }

  /** Delivers to the other end, in the order in which it was sent. */
  #send(connection: Connection, from: Reachable, deliver: () => void): void {
    if (!connection.isOpen) return
    this.messages++
    let ms = this.#random.next() * this.#quality.delayMs
    while (this.#random.next() < this.#quality.loss) ms += RETRANSMISSION_MS
    const at = Math.max(connection.last.get(from) ?? 0, this.#time.now + ms)
    connection.last.set(from, at)
    this.#time.after(at - this.#time.now, () => connection.isOpen && deliver(), otherEnd(connection, from).owner)
  }

  /** Opens and closes connections so that they are those that can be. */
  #follow(): void {
    for (const [key, connection] of this.#connections) {
      if (connection.ends.every((end) => this.#running.get(end.owner.name) === end) && this.#areTogether(connection))
        continue
      this.#connections.delete(key)
      connection.isOpen = false
      for (const [reject, owner] of connection.waiting) {
        // In the name of who waits: what it does then is its own.
        this.#time.after(0, () => reject(new PeerError('unreachable', 'the connection was lost')), owner)
      }
      for (const end of connection.ends) {
        const gone = otherEnd(connection, end).providerId
        this.#time.after(this.#random.next() * NOTICE_MS, () => this.#noticed(end, gone), end.owner)
      }
    }
    for (const [name, node] of this.#running) {
      for (const other of this.#linked.get(name) ?? []) {
        const peer = this.#running.get(other)
        // The first of both names dials.
        if (peer === undefined || name > other || this.#connections.has(`${name} ${other}`)) continue
        const connection: Connection = { ends: [node, peer], isOpen: false, last: new Map(), waiting: new Map() }
        if (!this.#areTogether(connection)) continue
        this.#connections.set(`${name} ${other}`, connection)
        this.#time.after(this.#random.next() * NOTICE_MS, () => this.#opened(connection), undefined)
      }
    }
  }

  #opened(connection: Connection): void {
    if (![...this.#connections.values()].includes(connection)) return
    connection.isOpen = true
    const [dialler, called] = connection.ends
    this.#time.after(0, () => dialler.connected(called.providerId, 'outbound'), dialler.owner)
    this.#time.after(0, () => called.connected(dialler.providerId, 'inbound'), called.owner)
  }

  /** A node that came back in the meantime is not gone. */
  #noticed(node: Reachable, gone: string): void {
    if (this.#to(node, gone) === undefined) node.disconnected(gone)
  }

  #areTogether({ ends: [one, other] }: Connection): boolean {
    return this.#apart.has(one.owner.name) === this.#apart.has(other.owner.name)
  }

  #open(node: Reachable): Connection[] {
    return [...this.#connections.values()].filter(({ ends, isOpen }) => isOpen && ends.includes(node))
  }

  #to(node: Reachable, peer: string): Connection | undefined {
    return this.#open(node).find((connection) => otherEnd(connection, node).providerId === peer)
  }
}

const otherEnd = ({ ends: [one, other] }: Connection, node: Reachable): Reachable => (node === one ? other : one)
