import type { KeyRecord } from '../../../protocol/manifest.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { keyRecordDigest } from '../../kernel/identity/publisher.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What is known of a publisher that has replaced its keys at least once. */
interface KnownKeys {
  /** The chain with the highest number, from record 0 on. */
  readonly records: readonly KeyRecord[]
  /** A different record with a number that `records` has: both were signed by the publisher, so nobody can tell which one to believe. */
  readonly conflict?: KeyRecord
}

const knownKeys = jsonKeyspace<KnownKeys>(KEYSPACES.publisherKeys)

/**
 * The newest key record of every publisher. The highest number wins; two different records with one number freeze the publisher.
 * A publisher is its first record, so one that never replaced its keys needs no entry.
 */
export class Publishers {
  readonly #store: Store
  /** What was learnt and is not on disk yet. */
  readonly #learning = new Map<string, KnownKeys>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Judges the key records of a manifest's signature, which was verified, against what is known of the publisher, and learns from them.
   * Answers whether they were news. Throws `PROV_005` when the publisher is frozen, or a newer record revokes the keys that signed.
   */
  async admit(publisher: string, token: string): Promise<boolean> {
    const { key_records: records } = decodeSignatureToken(token)
    const known = this.#learning.get(publisher) ?? this.#store.get(knownKeys, publisher)
    if (known === undefined && records.length === 1) return false
    const learnt = merge(known, records)
    if (learnt !== known) await this.#learn(publisher, learnt)
    if (learnt.conflict !== undefined) {
      throw new ProviderError(
        'PROV_005',
        `the publisher ${publisher} is frozen: it signed two key records with the number ${learnt.conflict.number}`,
      )
    }
    if (learnt.records.slice(records.length).some((record) => record.revoked_from !== undefined)) {
      throw new ProviderError('PROV_005', `the publisher ${publisher} has revoked the keys that signed this cell`)
    }
    return learnt !== known
  }

  async #learn(publisher: string, learnt: KnownKeys): Promise<void> {
    this.#learning.set(publisher, learnt)
    await this.#store.transact((tx) =>
      tx.put(knownKeys, publisher, merge(tx.get(knownKeys, publisher), learnt.records, learnt.conflict)),
    )
    if (this.#learning.get(publisher) === learnt) this.#learning.delete(publisher)
  }
}

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
