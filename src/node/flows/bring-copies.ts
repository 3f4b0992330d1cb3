import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import type { PolicyInForce, ReplicationOrders } from '../../domain/cells/replication-orders.ts'
import type { PackageSource } from '../api.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers, offerAmong } from './ask-offers.ts'
import type { PackageFetcher } from './fetch-package.ts'
import { openPackage } from './open-package.ts'
import type { Match } from './policy-matches.ts'
import type { PolicyRoom } from './policy-room.ts'

type Parts = Parameters<typeof openPackage>[0] &
  Pick<NodeParts, 'cache' | 'index' | 'network' | 'offerVerifier' | 'publishers' | 'receipts' | 'trust'>

/** Milliseconds for the question what a cell is. */
const ASK_MS = 10_000
/** Times that a package is opened anew because the transfer that was joined had just ended. */
const OPENINGS = 3
/** Keeper of pinned packages; ids of policies have digits only. */
export const PIN = 'pin'
/** Keeper of what bundles brought. */
export const IMPORTED = 'import'

/** What a policy has no room for. */
export class NoRoom extends Error {}

/** What bringing copies here needs beside the parts. */
interface Needs {
  readonly orders: Pick<ReplicationOrders, 'policy' | 'pin'>
  readonly fetcher: Pick<PackageFetcher, 'open'>
  readonly room: PolicyRoom
  /** Hears of a cell that is here now without a transfer. */
  readonly onKept: (cell: CellRecord) => void
  /** Hears of copies that are gone. */
  readonly onGone: (copies: readonly CellRecord[]) => void
  readonly signal: AbortSignal
}

/** Brings packages here that are pinned or followed, and has them kept. */
export class CopyBringer {
  readonly #parts: Parts
  readonly #needs: Needs
  /** Digests that are under way. */
  readonly #underWay = new Set<string>()

  constructor(parts: Parts, needs: Needs) {
    this.#parts = parts
    this.#needs = needs
  }

  async pinned(digest: string): Promise<void> {
    if (this.#needs.orders.pin(digest) === undefined) return
    const { signal } = this.#needs
    await this.#bring(digest, PIN, () => openPackage(this.#parts, this.#needs.fetcher, digest, signal))
  }

  /** Rejects with `NoRoom` where the policy has none. */
  async followed(policy: PolicyInForce, { cell, providers }: Match): Promise<void> {
    const { cache, index, publishers, receipts } = this.#parts
    if (this.#needs.orders.policy(policy.id) === undefined) return
    const asked = receipts.inOrder(providers)
    const { offer, provider } = await this.#ask(cell, asked)
    const { id, manifest } = offer
    const { digest, size } = manifest.package
    if (!this.#needs.room.has(policy, manifest.publisher, size)) {
      this.#needs.room.lacked(policy, id, size)
      throw new NoRoom()
    }
    const release = this.#needs.room.take(policy, size)
    try {
      if (index.package(hexOf(digest)) !== undefined) {
        await publishers.admit(manifest.publisher, offer.signature)
        const kept = await cache.keepHeld(offer, provider, offer.createdAt, policy.id)
        if (kept !== undefined) this.#needs.onKept(kept)
      } else {
        await this.#bring(digest, policy.id, () => this.#needs.fetcher.open(digest, asked, id))
        this.#needs.onGone(await cache.assign(id, policy.id))
      }
    } finally {
      release()
    }
    if (!index.has(id)) throw new Error('its package came, and was kept as that of another cell')
  }

  /** What an announced cell is, from the first provider who says so. */
  async #ask(
    { manifest_digest: id, cell_type: name, version: range }: AnnouncedCell,
    providers: readonly string[],
  ): Promise<{ offer: VerifiedOffer; provider: string }> {
    const asked = { by: 'cell_type', name, range } as const
    let failure: unknown
    for (const provider of providers) {
      try {
        const signal = AbortSignal.any([this.#needs.signal, AbortSignal.timeout(ASK_MS)])
        const cells = await askOffers(this.#parts.network, provider, asked, { deadlineMs: ASK_MS, signal })
        const offer = await offerAmong(this.#parts, cells, id)
        if (offer !== undefined) return { offer, provider }
        failure = new Error(`${provider} announces ${name}@${range}, and did not offer it`)
      } catch (error) {
        this.#needs.signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  /** Brings a package here, to be kept for `keeper`. Its last byte can be read once it is verified and kept. */
  async #bring(digest: string, keeper: string, open: () => Promise<PackageSource | undefined>): Promise<void> {
    const { cache } = this.#parts
    const { signal } = this.#needs
    if (this.#underWay.has(digest)) throw new Error('its package is on its way here as that of another cell')
    this.#underWay.add(digest)
    cache.claim(hexOf(digest), keeper)
    try {
      for (let opening = 0; opening < OPENINGS; opening++) {
        const source = await open()
        if (source === undefined) continue
        try {
          for await (const _ of source.read(source.size - 1, source.size - 1, signal)) signal.throwIfAborted()
        } finally {
          await source.close()
        }
        return
      }
      throw new Error('its package was on its way here and did not arrive')
    } finally {
      cache.unclaim(hexOf(digest))
      this.#underWay.delete(digest)
    }
  }
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length)
