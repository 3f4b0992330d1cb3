import type { SignedYank } from '../../../protocol/yank.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { decodeYankToken, verifyYank } from '../../kernel/identity/yank-signature.ts'
import type { Verdict } from '../../network/network.ts'
import { TokenBuckets } from '../../network/token-bucket.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'trust'> {
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly network: Pick<NodeParts['network'], 'publish'>
  readonly yanks: Pick<NodeParts['yanks'], 'accept' | 'isNewer'>
}

/** Milliseconds between two words about one cell that are passed on: who yanks and undoes for fun is heard at its announcements' pace. */
const CELL_MS = 10_000
/** Cells of which it is remembered when the last word was passed on; beyond it the oldest make room. */
const REMEMBERED_CELLS = 10_000
/**
 * Words of one publisher, and from one peer, per second and at once. A publisher whose key was stolen yanks all that it ever published. What is
 * over is learned from announcements.
 */
const PER_SECOND = 20
const AT_ONCE = 500

/**
 * The fast way of yanks: the publisher's word itself is gossiped, verified before it is passed on, and taken in at once. It proves itself, so that
 * anybody may publish it. What does not get through is learned from announcements (`learn-yanks.ts`).
 */
export class YankLane {
  readonly #parts: Parts
  readonly #onHeld: (cell: CellRecord) => void
  readonly #sources = new TokenBuckets(PER_SECOND, AT_ONCE)
  readonly #publishers = new TokenBuckets(PER_SECOND, AT_ONCE)
  /** Cell id and publisher → Unix milliseconds, oldest first. */
  readonly #passedOn = new Map<string, number>()

  /** `onHeld` hears of cells that this node holds, when what their publisher says has changed. */
  constructor(parts: Parts, onHeld: (cell: CellRecord) => void) {
    this.#parts = parts
    this.#onHeld = onHeld
  }

  /** Tells everybody a word that was taken in here. Never rejects: announcements tell it as well. */
  publish(token: string): void {
    const { network, logger } = this.#parts
    network.publish('yanks', utf8(token)).catch((error: unknown) => {
      logger.warn({ reason: errorMessage(error) }, 'a yank was not gossiped; announcements tell it')
    })
  }

  /** Judges a gossiped word before it is passed on, and takes it in when it is news. */
  gossiped(bytes: Uint8Array, from: string): Verdict {
    const { config, yanks } = this.#parts
    // Not over the limit of a token, which is ASCII.
    const token = Buffer.from(bytes).toString('latin1')
    let signed: SignedYank
    try {
      signed = decodeYankToken(token)
      if (!yanks.isNewer(signed.record, token)) return 'ignore'
      if (!this.#sources.of(from).take()) return 'ignore'
      verifyYank(nativeVerifier, config.network.name, signed)
    } catch (error) {
      // Whatever these two refuse, every node refuses.
      if (error instanceof ProviderError) return 'reject'
      throw error
    }
    if (!this.#publishers.of(signed.record.publisher).take() || !this.#mayPassOn(signed)) return 'ignore'
    void this.#takeIn(token, signed, from)
    return 'accept'
  }

  #mayPassOn({ record: { manifest_digest: id, publisher } }: SignedYank): boolean {
    const now = this.#parts.clock.now()
    const key = `${id}!${publisher}`
    const last = this.#passedOn.get(key)
    if (last !== undefined && Math.abs(now - last) < CELL_MS) return false
    this.#passedOn.delete(key)
    this.#passedOn.set(key, now)
    const [oldest] = this.#passedOn.keys()
    if (this.#passedOn.size > REMEMBERED_CELLS && oldest !== undefined) this.#passedOn.delete(oldest)
    return true
  }

  /** Never rejects. */
  async #takeIn(token: string, { record }: SignedYank, from: string): Promise<void> {
    const { yanks, trust, events, logger } = this.#parts
    if (!trust.accepts(record.publisher)) return
    try {
      const change = await yanks.accept(token, from)
      if (change === undefined) return
      const { yanked, reason, manifest_digest: cellId } = record
      events.emit('cell_yanked', { cellId, yanked, reason, by: 'publisher' })
      if (change.cell !== undefined) this.#onHeld(change.cell)
    } catch (error) {
      logger.debug({ from, reason: errorMessage(error) }, 'a gossiped yank was not taken in')
    }
  }
}
