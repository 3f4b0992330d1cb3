import { hash } from 'node:crypto'
import { ACCESS_LIMITS } from '../../../protocol/access.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** Name of a use → Unix milliseconds until which it is remembered, in decimal. */
const nonces = textKeyspace(KEYSPACES.nonces)
/** Characters of a name, of base64url: 132 bits, so that nobody finds a second use with the name of somebody else's. */
const NAME_LENGTH = 22
/** Nonces that one transaction forgets: the next request need not wait for more. */
const FORGOTTEN_PER_WRITE = 500

/**
 * The nonces that signing keys used, so that a signed request is accepted once, across restarts. They are on disk only: what one costs
 * in memory is nothing. When there are too many the next one is refused, because forgetting one early would let its request be repeated.
 */
export class Nonces {
  readonly #store: Store
  readonly #clock: Clock
  readonly #capacity: number
  /** Nonces on disk or on their way there. */
  #count = 0

  constructor(store: Store, clock: Clock, capacity: number = ACCESS_LIMITS.nonces) {
    this.#store = store
    this.#clock = clock
    this.#capacity = capacity
  }

  /** Counts what is remembered from before. To be awaited before the first use. */
  async load(): Promise<void> {
    for await (const _ of this.#store.keys(nonces)) this.#count++
  }

  /** How many are remembered, with those that {@link sweep} will forget. */
  get size(): number {
    return this.#count
  }

  /**
   * Uses up `nonce` of the key `owner`; resolves when that is durable, and who acts before may act twice after a crash. Rejects with
   * `PROV_004` when it was used in the last `ACCESS_LIMITS.nonceMs`, with `PROV_013` when no more can be remembered now. `also` runs in the
   * transaction that uses it up.
   */
  async use(owner: string, nonce: string, also?: (tx: Transaction) => void): Promise<void> {
    if (this.#count >= this.#capacity) {
      throw new ProviderError(
        'PROV_013',
        `this node remembers ${this.#count} nonces, the most that it can: try again later`,
      )
    }
    const name = hash('sha256', `${owner} ${nonce}`, 'base64url').slice(0, NAME_LENGTH)
    const now = this.#clock.now()
    let found: string | undefined
    this.#count++
    try {
      await this.#store.transact((tx) => {
        found = tx.get(nonces, name)
        if (found !== undefined && Number(found) >= now) return
        tx.put(nonces, name, String(now + ACCESS_LIMITS.nonceMs))
        also?.(tx)
      })
    } catch (error) {
      this.#count--
      throw error
    }
    if (found === undefined) return
    // It was counted before.
    this.#count--
    if (Number(found) >= now) throw new ProviderError('PROV_004', 'the nonce was used before: sign each request anew')
  }

  /** Forgets what need not be remembered any more. To be called every minute or so. */
  async sweep(): Promise<void> {
    const now = this.#clock.now()
    let old: string[] = []
    for await (const [name, until] of this.#store.scan(nonces)) {
      if (Number(until) >= now) continue
      old.push(name)
      if (old.length < FORGOTTEN_PER_WRITE) continue
      await this.#forget(old, now)
      old = []
    }
    if (old.length > 0) await this.#forget(old, now)
  }

  async #forget(names: readonly string[], now: number): Promise<void> {
    const forgotten = await this.#store.transact((tx) => {
      // One may have been used anew since the walk saw it.
      const old = names.filter((name) => Number(tx.get(nonces, name) ?? Number.POSITIVE_INFINITY) < now)
      for (const name of old) tx.delete(nonces, name)
      return old.length
    })
    this.#count -= forgotten
  }
}
