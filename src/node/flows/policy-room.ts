import type { PolicyInForce } from '../../domain/cells/replication-orders.ts'
import { UNKNOWN } from '../../domain/cells/trust.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'config' | 'cache' | 'trust'>

/** Cells in a row that there is no room for, after which no more are asked about until room was made. */
const MAX_MISFITS = 64
/** Sizes of packages there is no room for, that are remembered. */
const REMEMBERED_SIZES = 10_000

/** What policies have room for, and what they had none for. */
export class PolicyRoom {
  readonly #parts: Parts
  /** Cell id → bytes of its package, where a policy had no room for it; the oldest first. */
  readonly #sizes = new Map<string, number>()
  /** Policy → misfits in a row, and what was kept when the last of them was found. */
  readonly #misfits = new Map<string, { readonly count: number; readonly kept: number }>()
  /** Bytes on their way here, by policy. */
  readonly #coming = new Map<string, number>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Whether a package fits. Strangers may fill no more of a policy than they may of the cache: what they call a capability is up to them. */
  has({ id, capability, max_bytes: most }: PolicyInForce, publisher: string, size: number): boolean {
    const { cache, trust, config } = this.#parts
    if (size > config.cells.max_package_bytes) return false
    if (cache.keptFor(id).bytes + (this.#coming.get(id) ?? 0) + size > most) return false
    const isStranger = capability !== undefined && trust.tierOf({ publisher, registered: false }, {}) === UNKNOWN
    if (!isStranger) return true
    return cache.keptFor(id, publisher).bytes + size <= (most * config.cache.per_publisher_percent) / 100
  }

  /** Whether asking what a cell is would be in vain: nothing fits any more, or the cell has not fitted and still does not. */
  isKnownToLack(
    policy: PolicyInForce,
    { id, publisher }: { readonly id: string; readonly publisher: string },
  ): boolean {
    const size = this.#sizes.get(id)
    return this.isExhausted(policy) || (size !== undefined && !this.has(policy, publisher, size))
  }

  isExhausted({ id, max_bytes }: PolicyInForce): boolean {
    const { bytes } = this.#parts.cache.keptFor(id)
    const misfits = this.#misfits.get(id)
    return bytes >= max_bytes || (misfits !== undefined && misfits.count >= MAX_MISFITS && misfits.kept === bytes)
  }

  /** Bytes that are on their way here take room, until the function that is returned is called. */
  take({ id }: PolicyInForce, bytes: number): () => void {
    this.#coming.set(id, (this.#coming.get(id) ?? 0) + bytes)
    return () => {
      const left = (this.#coming.get(id) ?? 0) - bytes
      if (left > 0) this.#coming.set(id, left)
      else this.#coming.delete(id)
    }
  }

  /** A cell did not fit. */
  lacked({ id }: PolicyInForce, cellId: string, size: number): void {
    this.#sizes.delete(cellId)
    this.#sizes.set(cellId, size)
    if (this.#sizes.size > REMEMBERED_SIZES) this.#sizes.delete(this.#sizes.keys().next().value!)
    const kept = this.#parts.cache.keptFor(id).bytes
    const before = this.#misfits.get(id)
    this.#misfits.set(id, { count: before?.kept === kept ? before.count + 1 : 1, kept })
  }

  /** A cell was fetched. */
  filled({ id }: PolicyInForce): void {
    this.#misfits.delete(id)
  }

  /** Forgets policies that are not in force any more. */
  forget(isInForce: (policy: string) => boolean): void {
    for (const id of this.#misfits.keys()) if (!isInForce(id)) this.#misfits.delete(id)
  }
}
