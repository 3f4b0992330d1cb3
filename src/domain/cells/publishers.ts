import type { KeyRecord } from '../../../protocol/manifest.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { keyRecordDigest } from '../../kernel/identity/publisher.ts'
import { decodeYankToken } from '../../kernel/identity/yank-signature.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What is known of a publisher's keys. */
interface KnownKeys {
  /** The chain with the highest number, from record 0 on. */
  readonly records: readonly KeyRecord[]
  /** A different record with a number that `records` has: both were signed by the publisher, so nobody can tell which one to believe. */
  readonly conflict?: KeyRecord
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
    const learnt = merge(known, records)
    if (isDurable) {
      if (learnt !== stored) await this.#learn(publisher, learnt)
    } else if (learnt !== known) this.#strangers.set(publisher, learnt, JSON.stringify(learnt).length)
    assertTrusted(publisher, records, learnt)
    return learnt !== known && learnt.records.length > 1
  }

  /** Judges as {@link admit} does, and learns nothing. */
  assess(publisher: string, token: string): void {
    const records = keyRecordsOf(token)
    assertTrusted(publisher, records, merge(this.#known(publisher), records))
  }

  /** Whether a publisher has revoked the keys of the record that is the last of its first `count`. */
  hasRevoked(publisher: string, count: number): boolean {
    const known = this.#known(publisher)
    return known !== undefined && isRevoked(known, count)
  }

  #known(publisher: string): KnownKeys | undefined {
    return this.#learning.get(publisher) ?? this.#store.get(knownKeys, publisher) ?? this.#strangers.get(publisher)
  }

  async #learn(publisher: string, learnt: KnownKeys): Promise<void> {
    this.#learning.set(publisher, learnt)
    try {
      await this.#store.transact((tx) =>
        tx.put(knownKeys, publisher, merge(tx.get(knownKeys, publisher), learnt.records, learnt.conflict)),
      )
      this.#strangers.delete(publisher)
    } finally {
      if (this.#learning.get(publisher) === learnt) this.#learning.delete(publisher)
    }
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

/** What is known after a chain was seen. The same object when that is nothing new. */
function merge(known: KnownKeys | undefined, records: readonly KeyRecord[], conflict?: KeyRecord): KnownKeys {
  if (known === undefined) return conflict === undefined ? { records } : { records, conflict }
  if (known.conflict !== undefined) return known
  if (conflict !== undefined) return { ...known, conflict }
  const other = records.find((record, number) => {
    const mine = known.records[number]
    return mine !== undefined && keyRecordDigest(mine) !== keyRecordDigest(record)
  })
  if (other !== undefined) return { ...known, conflict: other }
  return records.length > known.records.length ? { records } : known
}
