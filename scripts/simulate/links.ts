import { setTimeout as pause } from 'node:timers/promises'
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { plaintext } from '@libp2p/plaintext'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Wiring } from '../../src/network/network.ts'
import type { Random } from './random.ts'

/** How the links between nodes are. */
export interface LinkQuality {
  /** Milliseconds that a message takes, at least and at most. */
  readonly delayMs: readonly [least: number, most: number]
  /** Share of messages that are lost once. Links are reliable, like TCP: a lost message comes late, and those behind it with it. */
  readonly loss: number
}

/** Milliseconds until a lost message is sent again. */
const RETRANSMISSION_MS = 200

/** What a node has sent. */
export interface Traffic {
  readonly messages: number
  readonly bytes: number
}

/** What libp2p does not declare of its connections: how bytes leave them. */
interface Sending {
  sendData(data: { readonly byteLength: number; slice(): Uint8Array }): unknown
  sendClose(options?: unknown): Promise<void>
}

interface Open {
  readonly ends: readonly [string, string]
  readonly connection: MultiaddrConnection
}

/** The links between the nodes of one process: with delay and loss, counted, and in two parts when they are cut. */
export class Links {
  readonly #random: Random
  readonly #quality: LinkQuality
  /** Provider id → name of the node. */
  readonly #names = new Map<string, string>()
  readonly #sent = new Map<string, { messages: number; bytes: number }>()
  readonly #open = new Set<Open>()
  #apart: ReadonlySet<string> = new Set()

  constructor(random: Random, quality: LinkQuality) {
    this.#random = random
    this.#quality = quality
  }

  /** What the connections of the node `name` are made of. */
  wiring(name: string): Wiring {
    const transport = (components: Parameters<ReturnType<typeof memory>>[0]): Transport => {
      this.#names.set(components.peerId.toString(), name)
      const inner = memory()(components)
      const dial = inner.dial.bind(inner)
      const createListener = inner.createListener.bind(inner)
      inner.dial = (address, options) => {
        const other = nameIn(address)
        if (!this.#areTogether(name, other)) throw new Error(`${other} cannot be reached: the network is cut`)
        return dial(address, { ...options, upgrader: this.#tapped(options.upgrader, name, () => other) })
      }
      inner.createListener = (options) =>
        createListener({ ...options, upgrader: this.#tapped(options.upgrader, name, (to) => this.#peerOf(to)) })
      return inner
    }
    return { transports: [transport], connectionEncrypters: [plaintext()], listen: `/memory/${name}` }
  }

  sent(name: string): Traffic {
    return { ...(this.#sent.get(name) ?? { messages: 0, bytes: 0 }) }
  }

  /** Lets these nodes reach only each other, and the others only the others. */
  cut(apart: Iterable<string>): void {
    this.#apart = new Set(apart)
    for (const { ends, connection } of this.#open) {
      if (!this.#areTogether(...ends)) connection.abort(new Error('the network was cut'))
    }
  }

  heal(): void {
    this.#apart = new Set()
  }

  #areTogether(one: string, other: string): boolean {
    return this.#apart.has(one) === this.#apart.has(other)
  }

  #peerOf(address: Multiaddr): string {
    const id = address.getComponents().find(({ name }) => name === 'p2p')?.value ?? ''
    return this.#names.get(id) ?? id
  }

  /** An upgrader that gets connections whose bytes go over these links. */
  #tapped(upgrader: Upgrader, from: string, otherOf: (remote: Multiaddr) => string): Upgrader {
    const tap = (connection: MultiaddrConnection): MultiaddrConnection => {
      this.#tap(connection, from, otherOf(connection.remoteAddr))
      return connection
    }
    return new Proxy(upgrader, {
      get: (target, property) => {
        if (property === 'upgradeOutbound' || property === 'upgradeInbound') {
          const upgrade = target[property].bind(target) as (connection: MultiaddrConnection, options: never) => unknown
          return (connection: MultiaddrConnection, options: never) => upgrade(tap(connection), options)
        }
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #tap(connection: MultiaddrConnection, from: string, to: string): void {
    const open: Open = { ends: [from, to], connection }
    this.#open.add(open)
    connection.addEventListener('close', () => this.#open.delete(open))
    const sending = connection as unknown as Sending
    const send = sending.sendData.bind(sending)
    const close = sending.sendClose.bind(sending)
    const sent = this.#sent.get(from) ?? { messages: 0, bytes: 0 }
    this.#sent.set(from, sent)
    let last = 0
    let onItsWay: Promise<unknown> = Promise.resolve()
    sending.sendData = (data) => {
      sent.messages++
      sent.bytes += data.byteLength
      const bytes = data.slice()
      // What was sent later never arrives earlier: timers alone do not keep their order.
      last = Math.max(last, performance.now() + this.#delay())
      const at = last
      onItsWay = onItsWay
        .then(() => {
          const ms = at - performance.now()
          return ms > 0 ? pause(ms) : undefined
        })
        .then(() => {
          if (connection.status === 'open' || connection.status === 'closing') send(bytes)
        })
      return { sentBytes: bytes.byteLength, canSendMore: true }
    }
    sending.sendClose = async (options) => {
      await onItsWay
      await close(options)
    }
  }

  #delay(): number {
    const { delayMs, loss } = this.#quality
    const [least, most] = delayMs
    let ms = least + this.#random.next() * (most - least)
    while (this.#random.next() < loss) ms += RETRANSMISSION_MS
    return ms
  }
}

const nameIn = (address: Multiaddr): string =>
  address.getComponents().find(({ name }) => name === 'memory')?.value ?? address.toString()
