import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import type { KnownYank, SignedYank, Yank, YankReason } from '../../../protocol/yank.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'
import { decodeYankToken, verifyYank } from '../../kernel/identity/yank-signature.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { CellIndex } from './cell-index.ts'
import type { CellLog } from './cell-log.ts'
import type { Publishers } from './publishers.ts'
import type { CellRecord } from './records.ts'
import type { TrustPolicy } from './trust.ts'

/** What is kept of a publisher's yank. */
interface PublisherYank extends Omit<Yank, 'format' | 'manifest_digest'> {
  /** How many key records its signature came with. */
  readonly records: number
  /** Bytes of its token. */
  readonly bytes: number
  /** SHA-256 of its token, in hexadecimal. */
  readonly id: string
  /** The provider that told of it; absent where it has a place of its own. */
  readonly source?: string
}

/** What the operator of this node said of a cell, for this node. */
export interface OperatorYank {
  readonly yanked: boolean
  readonly reason: YankReason
  readonly message?: string
  readonly at: number
  /** How often the operator has said something. */
  readonly counter: number
}

/** What was changed. */
export interface YankChange {
  readonly yank: Yank
  /** The cell, where this node holds it. */
  readonly cell: CellRecord | undefined
}

/** What is known of one cell. */
interface Known {
  readonly operator?: OperatorYank
  /** Who signed as the publisher of this cell. Only the one that its manifest names counts. */
  readonly publishers: ReadonlyMap<string, PublisherYank>
}

const NOBODY: ReadonlyMap<string, PublisherYank> = new Map()

/** What yanks are judged and kept with. */
interface Parts {
  readonly store: Store
  readonly index: CellIndex
  readonly log: CellLog
  readonly publishers: Publishers
  readonly trust: Pick<TrustPolicy, 'isPinned'>
  readonly network: string
  readonly verifier: SignatureVerifier
  readonly clock: Clock
}

type Named = { readonly id: string; readonly publisher: string }

/** On disk, where `id` is missing: it follows from the token. */
type StoredYank = Omit<PublisherYank, 'id'> & { readonly token: string }

const signedYanks = jsonKeyspace<StoredYank>(KEYSPACES.yanks)
const operatorYanks = jsonKeyspace<OperatorYank>(KEYSPACES.yanks)
const OPERATOR = 'operator'
const keyOf = (id: string, by: string): string => `${id}!${by}`

/** Bytes of yank tokens of cells that this node does not hold and whose publisher is not pinned: some 40,000 usual ones. */
const STRANGER_BYTES = 32 * 1024 * 1024
/** Share of that which one provider can fill. */
const SOURCE_SHARE = 1 / 8

const isFinal = ({ yanked, reason }: Pick<Yank, 'yanked' | 'reason'>): boolean => yanked && reason === 'compromised'

type Comparable = Pick<PublisherYank, 'counter' | 'yanked' | 'reason' | 'id'>

/**
 * Whether one yank of a publisher counts instead of another. The same on every node, in whatever order they come: where they say the same,
 * the one with the smaller id is kept.
 */
function supersedes(yank: Comparable, known: Comparable): boolean {
  if (isFinal(yank) !== isFinal(known)) return isFinal(yank)
  if (yank.counter !== known.counter) return yank.counter > known.counter
  return yank.yanked === known.yanked ? yank.id < known.id : yank.yanked
}

/**
 * Which cells are yanked: by their publisher, which counts everywhere, or by the operator of this node, which counts here. Neither undoes
 * what the other said. Asked in memory, because every request asks; also on disk, for good. Yanks of cells that this node holds or of pinned
 * publishers always have room.
 */
export class Yanks {
  readonly #parts: Parts
  readonly #strangerBytes: number
  readonly #known = new Map<string, Known>()
  /** Bytes of what each provider told about cells of strangers. */
  readonly #bySource = new Map<string, number>()
  #bytes = 0
  #changes = 0
  #watcher: ((cell: Named) => void) | undefined

  /** `strangerBytes`: budget for cells that this node does not hold, and whose publisher is not pinned. */
  constructor(parts: Parts, strangerBytes = STRANGER_BYTES) {
    this.#parts = parts
    this.#strangerBytes = strangerBytes
  }

  /** Reads what is on disk from before. */
  async load(): Promise<void> {
    for await (const [key, entry] of this.#parts.store.scan(signedYanks)) {
      const [id = '', by] = key.split('!')
      if (by === OPERATOR) this.#setOperator(id, entry)
      else this.#setPublisher(id, withId(entry))
    }
  }

  /** Cell and publisher of every yank that was signed by a publisher, whether it counts or not. */
  *signed(): Generator<Named> {
    for (const [id, { publishers }] of this.#known) for (const publisher of publishers.keys()) yield { id, publisher }
  }

  /** Id of what a publisher said last of a cell, as far as its keys count and it did not contradict itself: what nodes share. */
  sharedId({ id, publisher }: Named): string | undefined {
    if (this.#parts.publishers.isFrozen(publisher)) return undefined
    const known = this.#known.get(id)
    return known && this.#valid(known, publisher)?.id
  }

  /** Tells `watcher` of cells of which a publisher said something else. */
  watch(watcher: (cell: Named) => void): void {
    this.#watcher = watcher
  }

  /** Another number whenever a cell may have been withdrawn, or come back. */
  get revision(): number {
    return this.#changes + this.#parts.publishers.revision
  }

  /** Whether a cell may not be resolved to any more. */
  isWithdrawn({ id, publisher }: Named): boolean {
    const known = this.#known.get(id)
    return known !== undefined && this.#withdrawal(known, publisher) !== undefined
  }

  /** Why a cell may not be resolved to any more; undefined when it may. */
  reasonOf({ id, publisher }: Named): string | undefined {
    const known = this.#known.get(id)
    const withdrawal = known && this.#withdrawal(known, publisher)
    if (withdrawal === undefined) return undefined
    const { reason, message } = withdrawal
    return `was yanked: ${reason}${message === undefined ? '' : `: ${message}`}`
  }

  /** What a publisher said last of one of its cells, as far as its keys count. */
  publisherYank({ id, publisher }: Named): Pick<Yank, 'counter' | 'yanked' | 'reason'> | undefined {
    const known = this.#known.get(id)
    return known && this.#valid(known, publisher)
  }

  /** Everything that was said of a cell and counts. */
  said({ id, publisher }: Named): KnownYank[] {
    const known = this.#known.get(id)
    if (known === undefined) return []
    const valid = this.#valid(known, publisher)
    const token = this.token({ id, publisher })
    return [
      ...(valid === undefined ? [] : [{ ...shown(valid), by: 'publisher' as const, ...(token && { token }) }]),
      ...(known.operator === undefined ? [] : [{ ...shown(known.operator), by: 'operator' as const }]),
    ]
  }

  /** What this node's announcements say of a cell, beside the status that was set. An operator's yank is not told as the publisher's. */
  announced(cell: Named): Pick<AnnouncedCell, 'status' | 'yank_counter'> {
    const known = this.#known.get(cell.id)
    if (known === undefined) return {}
    const isWithdrawn = this.isWithdrawn(cell)
    const own = this.#valid(known, cell.publisher)
    return {
      ...(isWithdrawn ? { status: 'yanked' } : {}),
      ...(own === undefined || own.yanked !== isWithdrawn ? {} : { yank_counter: own.counter }),
    }
  }

  /** Whether what a peer announces of a cell is worth asking it for its publisher's word. */
  isNews({
    manifest_digest: id,
    publisher,
    status,
    yank_counter: counter,
  }: Pick<AnnouncedCell, 'manifest_digest' | 'publisher' | 'status' | 'yank_counter'>): boolean {
    if (counter === undefined) return false
    const known = this.publisherYank({ id, publisher })
    return known === undefined || counter > known.counter || (status === 'yanked' && !known.yanked)
  }

  /** What a publisher said last of one of its cells, as a token. */
  token({ id, publisher }: Named): string | undefined {
    if (this.publisherYank({ id, publisher }) === undefined) return undefined
    return this.#parts.store.get(signedYanks, keyOf(id, publisher))?.token
  }

  /**
   * Takes in a publisher's yank, or its undoing. Durable when it resolves, and logged where it is of a cell of this repository or was brought
   * here (without `source`). Undefined when it changes nothing: something newer is known, or what `source` told has no room. Throws `PROV_001`
   * for a token that cannot be read, `PROV_005` for one that does not hold.
   */
  async accept(token: string, source?: string): Promise<YankChange | undefined> {
    const { network, verifier, publishers, index, trust } = this.#parts
    const signed = decodeYankToken(token)
    const { manifest_digest: id, publisher } = signed.record
    if (!this.isNewer(signed.record, token, source === undefined)) return undefined
    verifyYank(verifier, network, signed)
    const cell = index.get(id)
    const isOfAnother = cell !== undefined && cell.manifest.publisher !== publisher
    if (isOfAnother && source === undefined) {
      throw new ProviderError('PROV_005', `the yank is signed by ${publisher}, which is not the cell's publisher`)
    }
    // Of another's cell it says nothing. Peers that do not hold the cell cannot know that, and share it.
    const hasPlace = (cell !== undefined && !isOfAnother) || source === undefined || trust.isPinned(publisher)
    const entry = entryOf(signed, token, hasPlace ? undefined : source)
    if (!hasPlace && !this.#hasRoom(entry, id)) return undefined
    await publishers.admit(publisher, token, hasPlace ? 'always' : 'known')
    return this.#keep(signed.record, entry, token, source === undefined)
  }

  #keep(record: Yank, entry: PublisherYank, token: string, isOrder: boolean): Promise<YankChange | undefined> {
    const { store, index, publishers } = this.#parts
    const { manifest_digest: id, publisher, yanked, reason } = record
    return store
      .transact((tx) => {
        const before = tx.get(signedYanks, keyOf(id, publisher))
        const counts = before !== undefined && !publishers.hasRevoked(publisher, before.records)
        if (counts && !supersedes(entry, withId(before))) return undefined
        const { id: _, ...stored } = entry
        tx.put(signedYanks, keyOf(id, publisher), { ...stored, token })
        const held = index.get(id, tx)
        const cell = held?.manifest.publisher === publisher ? held : undefined
        if (cell !== undefined && (isOrder || cell.origin === 'registered')) {
          this.#log(tx, cell, { yanked, reason, by: 'publisher' })
        }
        return { yank: record, cell }
      })
      .then((change) => {
        if (change !== undefined) this.#setPublisher(id, entry)
        return change
      })
  }

  /**
   * What the operator of this node says of a cell that it holds; to undo a yank, without a reason. Durable and logged when it resolves. Throws
   * `PROV_001` with status 409 when there is nothing to undo, or it cannot be undone.
   */
  async byOperator(
    cell: CellRecord,
    order: { readonly reason: YankReason; readonly message?: string } | 'undo',
  ): Promise<OperatorYank> {
    const { store, clock } = this.#parts
    const { publisher } = cell.manifest
    const nothing = this.publisherYank({ id: cell.id, publisher })?.yanked
      ? 'its publisher yanked it, and undoes it with the key of the publisher; the operator of this node has said nothing'
      : undefined
    const said = await store.transact((tx) => {
      const before = tx.get(operatorYanks, keyOf(cell.id, OPERATOR))
      const counter = (before?.counter ?? 0) + 1
      const said: OperatorYank = { ...nextYank(before, order, nothing), at: clock.now(), counter }
      tx.put(operatorYanks, keyOf(cell.id, OPERATOR), said)
      this.#log(tx, cell, { yanked: said.yanked, reason: said.reason, by: 'operator' })
      return said
    })
    this.#setOperator(cell.id, said)
    return said
  }

  #log(tx: Transaction, cell: CellRecord, { yanked, reason, by }: Pick<KnownYank, 'yanked' | 'reason' | 'by'>): void {
    const at = new Date(this.#parts.clock.now()).toISOString()
    this.#parts.log.add(tx, yanked ? 'yank' : 'unyank', cell, at, { reason, by })
  }

  #withdrawal({ operator, publishers }: Known, publisher: string): PublisherYank | OperatorYank | undefined {
    const own = this.#valid({ publishers }, publisher)
    if (own?.yanked) return own
    return operator?.yanked ? operator : undefined
  }

  /** The publisher's yank, unless the keys that signed it were revoked. */
  #valid({ publishers }: Known, publisher: string): PublisherYank | undefined {
    const own = publishers.get(publisher)
    return own === undefined || this.#parts.publishers.hasRevoked(publisher, own.records) ? undefined : own
  }

  /** Whether a token would count instead of what is known, were it verified. An order that says what is known already would not. */
  isNewer({ manifest_digest: id, publisher, counter, yanked, reason }: Yank, token: string, isOrder = false): boolean {
    const known = this.#known.get(id)
    const own = known && this.#valid(known, publisher)
    if (own === undefined) return true
    return supersedes({ counter, yanked, reason, id: isOrder ? own.id : sha256Hex(token) }, own)
  }

  #hasRoom({ bytes, source = '', publisher }: PublisherYank, id: string): boolean {
    const before = this.#known.get(id)?.publishers.get(publisher)
    const more = bytes - (before?.source === undefined ? 0 : before.bytes)
    const moreOfSource = bytes - (before?.source === source ? before.bytes : 0)
    return (
      this.#bytes + more <= this.#strangerBytes &&
      (this.#bySource.get(source) ?? 0) + moreOfSource <= this.#strangerBytes * SOURCE_SHARE
    )
  }

  #setOperator(id: string, operator: OperatorYank): void {
    this.#changes++
    this.#known.set(id, { publishers: NOBODY, ...this.#known.get(id), operator })
  }

  #setPublisher(id: string, entry: PublisherYank): void {
    this.#changes++
    const known = this.#known.get(id)
    const { token: _, ...kept } = entry as PublisherYank & { token?: string }
    const before = known?.publishers.get(entry.publisher)
    if (before !== undefined) this.#count(before, -before.bytes)
    this.#count(kept, kept.bytes)
    this.#known.set(id, { ...known, publishers: new Map(known?.publishers).set(kept.publisher, kept) })
    this.#watcher?.({ id, publisher: kept.publisher })
  }

  #count({ source }: PublisherYank, bytes: number): void {
    if (source === undefined) return
    this.#bytes += bytes
    const sum = (this.#bySource.get(source) ?? 0) + bytes
    if (sum > 0) this.#bySource.set(source, sum)
    else this.#bySource.delete(source)
  }
}

/**
 * What follows on what an authority said before; `nothing` says that it said nothing that could be undone. Throws `PROV_001` with status 409 when there is nothing to undo, or it cannot be undone.
 */
export function nextYank(
  before: Pick<Yank, 'yanked' | 'reason'> | undefined,
  order: { readonly reason: YankReason; readonly message?: string } | 'undo',
  nothing = 'there is no yank to undo',
): Pick<Yank, 'yanked' | 'reason' | 'message'> {
  if (before !== undefined && isFinal(before)) throw conflict('it is yanked as compromised, which is final')
  if (order !== 'undo') return { yanked: true, ...order }
  if (!before?.yanked) throw conflict(nothing)
  return { yanked: false, reason: before.reason }
}

const conflict = (message: string): ProviderError => new ProviderError('PROV_001', message, { status: 409 })

function entryOf({ record, key_records: records }: SignedYank, token: string, source?: string): PublisherYank {
  const { format: _, manifest_digest: __, ...said } = record
  const own = { records: records.length, bytes: token.length, id: sha256Hex(token) }
  return { ...said, ...own, ...(source === undefined ? {} : { source }) }
}

const withId = (stored: StoredYank): PublisherYank & { token: string } => ({ ...stored, id: sha256Hex(stored.token) })

const shown = ({ yanked, reason, message, at, counter }: PublisherYank | OperatorYank) => ({
  yanked,
  reason,
  ...(message === undefined ? {} : { message }),
  at: new Date(at).toISOString(),
  counter,
})
