import type { IncomingMessage, ServerResponse } from 'node:http'
import { LIMITS } from '../../protocol/limits.ts'

/** Bytes of large bodies that are in memory at once: with the usual ones of all connections, and what is made of them, below a gigabyte. */
const ROOM = 64 * 1024 * 1024
/** Part of it that one address may have, so that nobody alone keeps others out. */
const PER_ADDRESS = ROOM / 8

/** Room for JSON bodies above the usual limit, which few routes take. */
export class BodyRoom {
  #taken = 0
  /** By address; only those that have some. */
  readonly #byAddress = new Map<string, number>()

  /** Takes room for a body of at most `limit` bytes until its answer is sent or its connection closed. False where there is none. */
  take(address: string, limit: number, request: IncomingMessage, response: ServerResponse): boolean {
    const length = request.headers['content-length']
    const bytes = length === undefined ? limit : Number(length)
    // Usual ones need none, and what is too large is not read.
    if (bytes <= LIMITS.jsonBodyBytes || bytes > limit) return true
    const own = this.#byAddress.get(address) ?? 0
    if (this.#taken + bytes > ROOM || own + bytes > PER_ADDRESS) return false
    this.#add(address, bytes)
    response.once('close', () => this.#add(address, -bytes))
    return true
  }

  #add(address: string, bytes: number): void {
    this.#taken += bytes
    const own = (this.#byAddress.get(address) ?? 0) + bytes
    if (own === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, own)
  }
}
