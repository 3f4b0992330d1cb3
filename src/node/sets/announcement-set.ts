import type { Announcement } from '../../../protocol/announcement.ts'
import type { Acceptance } from '../../../protocol/rpc.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import type { IdIndex } from '../../network/sync/id-index.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import { Turns } from '../../network/sync/turns.ts'
import type { NodeParts } from '../parts.ts'
import { KeyedRecords } from './keyed-records.ts'

/** The announcements that have not expired, this node's own ones among them. A record is the RFC 8785 text of one. */
export class AnnouncementSet implements RecordSet {
  readonly name = 'announcements'
  readonly isPermanent = false
  readonly #directory: NodeParts['directory']
  readonly #clock: NodeParts['clock']
  readonly #take: (text: string, from: string) => Acceptance
  readonly #records = new KeyedRecords()
  /** Second in which they expire → their keys. */
  readonly #expiring = new Map<number, string[]>()
  /** Seconds before this one hold nothing any more. */
  #swept: number

  /** `take` verifies an announcement that a peer brought, and takes it in. */
  constructor(
    { directory, clock }: Pick<NodeParts, 'directory' | 'clock'>,
    take: (text: string, from: string) => Acceptance,
  ) {
    this.#directory = directory
    this.#clock = clock
    this.#take = take
    this.#swept = secondOf(clock.now())
  }

  /** Reads what is on disk, and follows what changes from then on. */
  async load(): Promise<void> {
    this.#directory.watchRecords((key, announcement) => this.#changed(key, announcement))
    const turns = new Turns()
    for await (const [key, announcement] of this.#directory.records()) {
      if (this.#records.idOf(key) === undefined) this.#changed(key, announcement)
      await turns.next()
    }
  }

  get ids(): IdIndex {
    this.#sweep()
    return this.#records.ids
  }

  text(id: string): string | undefined {
    const key = this.#records.keyOf(id)
    const announcement = key === undefined ? undefined : this.#directory.record(key)
    const text = announcement && canonicalJson(announcement)
    // A newer one may be on disk already.
    return text !== undefined && sha256Hex(text) === id ? text : undefined
  }

  async accept(text: string, from: string): Promise<Acceptance> {
    return this.#take(text, from)
  }

  #changed(key: string, announcement: Announcement | undefined): void {
    const second = secondOf(announcement?.expires_at ?? 0)
    if (announcement === undefined || second < this.#swept) {
      this.#records.set(key, undefined)
      return
    }
    this.#records.set(key, sha256Hex(canonicalJson(announcement)))
    const keys = this.#expiring.get(second)
    if (keys === undefined) this.#expiring.set(second, [key])
    else keys.push(key)
  }

  /** Drops what has expired. What was announced anew meanwhile expires later. */
  #sweep(): void {
    const now = secondOf(this.#clock.now())
    if (now <= this.#swept) return
    for (const [second, keys] of this.#expiring) {
      if (second >= now) continue
      this.#expiring.delete(second)
      for (const key of keys) {
        const kept = this.#directory.record(key)
        if (kept === undefined || secondOf(kept.expires_at) < now) this.#records.set(key, undefined)
      }
    }
    this.#swept = now
  }
}

const secondOf = (milliseconds: number): number => Math.floor(milliseconds / 1000)
