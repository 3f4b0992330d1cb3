import { createHmac, timingSafeEqual } from 'node:crypto'
import { fromBase64Url, toBase64Url, utf8 } from '../../kernel/base/bytes.ts'

/** Unix seconds, as the one spelling that a link has. */
const SECONDS = /^[1-9][0-9]{0,11}$/

/**
 * Links that work for whoever has them, until they expire: `expires` and an HMAC-SHA-256 over id and time stand in the query. They say nothing about
 * whether the file exists.
 */
export class SignedLinks {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** The query of a link, without its question mark. `expiresAt` is in Unix milliseconds, and counts in whole seconds. */
  query(id: string, expiresAt: number): string {
    const expires = String(Math.floor(expiresAt / 1000))
    return `expires=${expires}&signature=${toBase64Url(this.#signature(id, expires))}`
  }

  /** Whether a query was signed for this id, and is in force. */
  holds(id: string, query: Readonly<Record<string, string | undefined>>, now: number): boolean {
    const { expires, signature } = query
    if (expires === undefined || signature === undefined || !SECONDS.test(expires)) return false
    const expected = this.#signature(id, expires)
    let found: Uint8Array
    try {
      found = fromBase64Url(signature)
    } catch {
      return false
    }
    return found.length === expected.length && timingSafeEqual(found, expected) && now < Number(expires) * 1000
  }

  #signature(id: string, expires: string): Buffer {
    return createHmac('sha256', this.#key)
      .update(utf8(`cytoplex export link/1\n${id}\n${expires}`))
      .digest()
  }
}
