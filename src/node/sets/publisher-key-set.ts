import { PublisherKeys } from '../../../protocol/publisher-keys.ts'
import type { Acceptance } from '../../../protocol/rpc.ts'
import { type KnownKeys, keysText } from '../../domain/cells/publishers.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { keyRecordDigest, verifyKeyRecords } from '../../kernel/identity/publisher.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { IdIndex } from '../../network/sync/id-index.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import { Turns } from '../../network/sync/turns.ts'
import type { NodeParts } from '../parts.ts'
import { KeyedRecords } from './keyed-records.ts'

interface Parts extends Pick<NodeParts, 'publishers' | 'trust'> {
  readonly config: Pick<NodeParts['config'], 'network'>
}

const schema = checkerOf(PublisherKeys)

/** Characters of keys of publishers of whom this node has nothing else: some ten thousand that replaced theirs. */
const STRANGER_CHARACTERS = 16 * 1024 * 1024
/** Share of that which one provider can fill. */
const SOURCE_SHARE = 1 / 8

/**
 * The keys of publishers that have replaced theirs, and the contradictions of those that signed two records with one number. A record is the
 * RFC 8785 text of a `PublisherKeys`.
 */
export class PublisherKeySet implements RecordSet {
  readonly name = 'publisher-keys'
  readonly isPermanent = true
  readonly #parts: Parts
  readonly #records = new KeyedRecords()
  /** Publisher → who told of it, and the characters of its text, where it takes of the budget. */
  readonly #strangers = new Map<string, { readonly source: string; readonly characters: number }>()
  readonly #bySource = new Map<string, number>()
  #characters = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Reads what is on disk, and follows what changes from then on. */
  async load(): Promise<void> {
    const { publishers } = this.#parts
    publishers.watch((publisher) => this.#look(publisher, publishers.kept(publisher)))
    const turns = new Turns()
    for await (const [publisher, keys] of publishers.allKept()) {
      this.#look(publisher, keys)
      await turns.next()
    }
  }

  get ids(): IdIndex {
    return this.#records.ids
  }

  text(id: string): string | undefined {
    const publisher = this.#records.keyOf(id)
    const kept = publisher === undefined ? undefined : this.#parts.publishers.kept(publisher)
    const text = kept && keysText(kept)
    return text !== undefined && sha256Hex(text) === id ? text : undefined
  }

  async accept(text: string, from: string): Promise<Acceptance> {
    const read = this.#read(text)
    if (read === undefined) return 'rejected'
    const { publishers } = this.#parts
    const news = publishers.news(read.publisher, read.keys)
    if (news === undefined || !this.#hasRoom(read.publisher, keysText(news).length, from)) return 'ignored'
    await publishers.keep(read.publisher, read.keys, this.#parts.trust.isPinned(read.publisher) ? undefined : from)
    return 'accepted'
  }

  /** Undefined for what is not in the one form that it can have, or does not hold. */
  #read(text: string): { readonly publisher: string; readonly keys: KnownKeys } | undefined {
    try {
      const content = parseStrictJson(utf8(text))
      if (!schema.Check(content) || canonicalJson(content) !== text) return undefined
      const { records, conflict } = content
      const verify = (more: typeof records): string =>
        verifyKeyRecords(nativeVerifier, this.#parts.config.network.name, [...records, ...more]).publisher
      const publisher = verify([])
      if (conflict === undefined) return records.length > 1 ? { publisher, keys: { records } } : undefined
      const [one, other] = conflict
      if (keyRecordDigest(one!) >= keyRecordDigest(other!)) return undefined
      verify([one!])
      verify([other!])
      return { publisher, keys: { records: [...records, one!], conflict: other! } }
    } catch {
      return undefined
    }
  }

  #hasRoom(publisher: string, characters: number, source: string): boolean {
    const { publishers, trust } = this.#parts
    const kept = publishers.kept(publisher)
    if (trust.isPinned(publisher) || (kept !== undefined && kept.source === undefined)) return true
    const before = this.#strangers.get(publisher)
    const more = characters - (before?.characters ?? 0)
    const payer = before?.source ?? source
    return (
      this.#characters + more <= STRANGER_CHARACTERS &&
      (this.#bySource.get(payer) ?? 0) + more <= STRANGER_CHARACTERS * SOURCE_SHARE
    )
  }

  #look(publisher: string, kept: KnownKeys | undefined): void {
    const isShared = kept !== undefined && (kept.records.length > 1 || kept.conflict !== undefined)
    const text = isShared ? keysText(kept) : undefined
    this.#records.set(publisher, text && sha256Hex(text))
    const before = this.#strangers.get(publisher)
    if (before !== undefined) this.#count(before.source, -before.characters)
    this.#strangers.delete(publisher)
    if (text === undefined || kept?.source === undefined) return
    const stranger = { source: kept.source, characters: text.length }
    this.#strangers.set(publisher, stranger)
    this.#count(stranger.source, stranger.characters)
  }

  #count(source: string, characters: number): void {
    this.#characters += characters
    const sum = (this.#bySource.get(source) ?? 0) + characters
    if (sum > 0) this.#bySource.set(source, sum)
    else this.#bySource.delete(source)
  }
}
