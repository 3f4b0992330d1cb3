import type { KeyRecord } from '../../../protocol/manifest.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { keyRecordDigest } from '../../kernel/identity/publisher.ts'
import { decodeYankToken } from '../../kernel/identity/yank-signature.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What is known of a publisher's keys. */
export interface KnownKeys {
  /** The chain with the highest number, from record 0 on. */
  readonly records: readonly KeyRecord[]
  /** A different record with a number that `records` has: both were signed by the publisher, so nobody can tell which one to believe. */
  readonly conflict?: KeyRecord
  /** The provider that told of a publisher of whom this node has nothing else. */
  readonly source?: string
}

const knownKeys = jsonKeyspace<KnownKeys>(KEYSPACES.publisherKeys)

/** Characters of key records that are remembered of publishers that this node has nothing of: some hundreds of rotated ones. */
const STRANGER_BUDGET = 8 * 1024 * 1024

/**
 * The newest key record of every publisher. The highest number wins; two different records with one number freeze the publisher.
 * What publishers of stored cells and pinned ones sign is kept on disk; what others sign, in memory and within a budget.
 */
export class Publishers {
  readonly #store: Store
  /** What was learnt and is not on disk yet. */
  readonly #learning = new Map<string, KnownKeys>()
  /** What was learnt of publishers that this node has nothing of. */
  readonly #strangers: BudgetMap<string, KnownKeys>
  #watchers: ((publisher: string) => void)[] = []
  #changes = 0

  /** `budget`: characters of signature tokens to remember of publishers that are not stored. */
  constructor(store: Store, budget = STRANGER_BUDGET) {
    this.#store = store
    this.#strangers = new BudgetMap(budget)
  }

  /**
   * Judges the key records of a manifest's signature or a yank, which was verified, against what is known of the publisher, and learns from them.
   * With `always`, which is for cells that are stored here and for pinned publishers, they are durable when this resolves; with `known`
   * only if the publisher has an entry already. Answers whether they were news about signatures that were seen before. Throws
   * `PROV_005` when the publisher is frozen, or a newer record revokes the keys that signed.
   */
  async admit(publisher: string, token: string, store: 'always' | 'known' = 'always'): Promise<boolean> {
    const records = keyRecordsOf(token)
    const stored = this.#learning.get(publisher) ?? this.#store.get(knownKeys, publisher)
    const known = stored ?? this.#strangers.get(publisher)
    const isDurable = stored !== undefined || store === 'always'
    if (known === undefined && records.length === 1 && !isDurable) return false
    const learnt = merge(known, { records })
    const { source, ...settled } = learnt
    if (isDurable) {
      // With `always` it is no stranger any more.
      if (source !== undefined && store === 'always') await this.#learn(publisher, settled)
      else if (learnt !== stored) await this.#learn(publisher, learnt)
    } else if (learnt !== known) {
      this.#strangers.set(publisher, learnt, JSON.stringify(learnt).length)
      this.#changed(publisher)
    }
    assertTrusted(publisher, records, learnt)
    return learnt !== known && learnt.records.length > 1
  }

  /** Judges as {@link admit} does, and learns nothing. */
  assess(publisher: string, token: string): void {
    const records = keyRecordsOf(token)
    assertTrusted(publisher, records, merge(this.#known(publisher), { records }))
  }

  /** Whether a publisher has revoked the keys of the record that is the last of its first `count`. */
  hasRevoked(publisher: string, count: number): boolean {
    const known = this.#known(publisher)
    return known !== undefined && isRevoked(known, count)
  }

  /** Whether a publisher contradicted itself. */
  isFrozen(publisher: string): boolean {
    return this.#known(publisher)?.conflict !== undefined
  }

  /** What is on disk of a publisher. */
  kept(publisher: string): KnownKeys | undefined {
    return this.#store.get(knownKeys, publisher)
  }

  /** Everything that is on disk. */
  allKept(): AsyncIterable<[publisher: string, keys: KnownKeys]> {
    return this.#store.scan(knownKeys)
  }

  /**
   * What would be known of a publisher after verified keys of it were seen; undefined where that is nothing new. What is kept is the same on
   * every node that saw the same.
   */
  news(publisher: string, seen: KnownKeys): KnownKeys | undefined {
    const stored = this.kept(publisher)
    const learnt = merge(stored, seen)
    return learnt === stored ? undefined : learnt
  }

  /** Takes in verified keys. Durable when it resolves. `source` told of them; absent where they have a place of their own. */
  async keep(publisher: string, seen: KnownKeys, source: string | undefined): Promise<void> {
    const { source: _, ...learnt } = merge(this.#known(publisher), seen)
    const stored = this.kept(publisher)
    const teller = stored === undefined ? source : stored.source
    await this.#learn(publisher, teller === undefined ? learnt : { ...learnt, source: teller })
  }

  /** Tells `watcher` of publishers of whose keys something else is known. */
  watch(watcher: (publisher: string) => void): void {
    this.#watchers = [...this.#watchers, watcher]
  }

  /** Another number whenever something else is known of any publisher's keys. */
  get revision(): number {
    return this.#changes
  }

  #changed(publisher: string): void {
    this.#changes++
    for (const watcher of this.#watchers) watcher(publisher)
  }

  #known(publisher: string): KnownKeys | undefined {
    return this.#learning.get(publisher) ?? this.#store.get(knownKeys, publisher) ?? this.#strangers.get(publisher)
  }

  async #learn(publisher: string, learnt: KnownKeys): Promise<void> {
    this.#learning.set(publisher, learnt)
    try {
      await this.#store.transact((tx) =>
        tx.put(knownKeys, publisher, withSource(merge(tx.get(knownKeys, publisher), learnt), learnt.source)),
      )
      this.#strangers.delete(publisher)
    } finally {
      if (this.#learning.get(publisher) === learnt) this.#learning.delete(publisher)
    }
    this.#changed(publisher)
  }
}

/** Throws `PROV_005` when what is known of a publisher forbids to believe a chain of its records. */
function assertTrusted(publisher: string, records: readonly KeyRecord[], known: KnownKeys): void {
  if (known.conflict !== undefined) {
    throw new ProviderError(
      'PROV_005',
      `the publisher ${publisher} is frozen: it signed two key records with the number ${known.conflict.number}`,
    )
  }
  if (isRevoked(known, records.length)) {
    throw new ProviderError('PROV_005', `the publisher ${publisher} has revoked the keys that signed this`)
  }
}

const isRevoked = ({ records }: KnownKeys, count: number): boolean =>
  records.slice(count).some((record) => record.revoked_from !== undefined)

/** Those of a manifest signature, or of a yank. */
const keyRecordsOf = (token: string): readonly KeyRecord[] =>
  (token.startsWith('ys1.') ? decodeYankToken(token) : decodeSignatureToken(token)).key_records

/** What is known after something was seen. The same object when that is nothing new. The order in which things are seen makes no difference. */
function merge(known: KnownKeys | undefined, seen: KnownKeys): KnownKeys {
  if (known === undefined) return seen
  const number = seen.records.findIndex((record, i) => {
    const mine = known.records[i]
    return mine !== undefined && keyRecordDigest(mine) !== keyRecordDigest(record)
  })
  const found: KnownKeys | undefined =
    number === -1 ? undefined : { records: known.records, conflict: seen.records[number]! }
  const contradictions = [known, seen, found].filter((keys) => keys?.conflict !== undefined)
  if (contradictions.length > 0) {
    const least = contradictions.reduce((a, b) => (isBefore(b!, a!) ? b : a))!
    return known.conflict !== undefined && !isBefore(least, known) ? known : withSource(least, known.source)
  }
  return seen.records.length > known.records.length ? withSource({ records: seen.records }, known.source) : known
}

const withSource = ({ source: _, ...keys }: KnownKeys, source: string | undefined): KnownKeys =>
  source === undefined ? keys : { ...keys, source }

/** Of two contradictions, the one with the lower number counts, then the one with the smaller text: every node keeps the same. */
function isBefore(a: KnownKeys, b: KnownKeys): boolean {
  const [one, other] = [a.conflict!.number, b.conflict!.number]
  return one === other ? keysText(a) < keysText(b) : one < other
}

/** The text in which keys travel, the same on every node that knows the same: RFC 8785 of a `PublisherKeys`. */
export function keysText({ records, conflict }: KnownKeys): string {
  if (conflict === undefined) return canonicalJson({ format: 1, records })
  const pair = [records[conflict.number]!, conflict].sort((a, b) => (keyRecordDigest(a) < keyRecordDigest(b) ? -1 : 1))
  return canonicalJson({ format: 1, records: records.slice(0, conflict.number), conflict: pair })
}
