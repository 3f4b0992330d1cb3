import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** What happens to the bytes that pass. May be changed at any time; it counts for what arrives from then on. */
export interface Faults {
  /** Milliseconds that each piece is held back. */
  delayMs: number
  /** Part of the bytes that are replaced by others, 0 to 1. */
  corrupt: number
  /** Nothing passes; what arrives is kept, as far as TCP lets the sender send. */
  stalled: boolean
}

/** A TCP proxy that damages what passes. Which bytes, is decided by `seed` and the order in which they come. */
export class FaultProxy {
  readonly faults: Faults = { delayMs: 0, corrupt: 0, stalled: false }
  /** Bytes that passed, and those that were replaced. */
  passed = 0
  corrupted = 0
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #random: () => number
  /** Bytes until the next one that is replaced. */
  #gap = 0
  #target: { host: string; port: number } | undefined

  private constructor(seed: number) {
    this.#random = mulberry32(seed)
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** Listens on a free port of 127.0.0.1 until the test ends. */
  static async start(t: TestContext, seed = 1): Promise<FaultProxy> {
    const proxy = new FaultProxy(seed)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.after(() => proxy.#close())
    return proxy
  }

  /** Multiaddr of the proxy. */
  get address(): string {
    return `/ip4/127.0.0.1/tcp/${(this.#server.address() as AddressInfo).port}`
  }

  /** Where connections go from now on. */
  leadTo(port: number, host = '127.0.0.1'): void {
    this.#target = { host, port }
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #close(): void {
    this.cut()
    this.#server.close()
  }

  #accept(client: Socket): void {
    if (this.#target === undefined) {
      client.resetAndDestroy()
      return
    }
    this.connections++
    const server = dial(this.#target)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay()
      // Whatever happens to one side happens to the other, which hears of it by the reset.
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      void this.#pass(from, to)
    }
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        const { delayMs } = this.faults
        if (delayMs > 0) await elapsed(delayMs)
        while (this.faults.stalled && !to.destroyed) await elapsed(10)
        this.#damage(piece)
        this.passed += piece.length
        if (!to.write(piece)) await once(to, 'drain')
      }
      to.end()
    } catch {
      to.destroy()
    }
  }

  #damage(piece: Buffer): void {
    const { corrupt } = this.faults
    if (corrupt === 0) return
    while (this.#gap < piece.length) {
      piece[this.#gap]! ^= 1 + Math.floor(this.#random() * 255)
      this.corrupted++
      // Geometric: every byte has the same chance.
      this.#gap += 1 + Math.floor(Math.log(1 - this.#random()) / Math.log(1 - corrupt))
    }
    this.#gap -= piece.length
  }
}

const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Pseudo-random numbers from 0 to 1, the same for the same seed. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
