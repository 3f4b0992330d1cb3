import { randomBytes } from 'node:crypto'
import type { Announcement } from '../../protocol/announcement.ts'
import { toBase64Url, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import type { Verdict } from '../../src/network/network.ts'
import { Refusal } from '../../src/network/peer-error.ts'
import type { Random } from '../simulate/random.ts'
import type { ModelLinks, Reachable } from './links.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Milliseconds between two of its acts at most. */
const ACT_MS = 2000

/** A peer that keeps no rules: it says again what was said before, says what nobody said, and answers with lies. */
export class Mallory implements Reachable {
  readonly name = 'mallory'
  readonly owner = { name: this.name }
  readonly providerId = '12D3KooWMallory'
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #links: ModelLinks
  readonly #heard: { readonly bytes: Uint8Array; readonly announcement: Announcement }[] = []

  constructor(time: VirtualTime, random: Random, links: ModelLinks) {
    this.#time = time
    this.#random = random
    this.#links = links
  }

  start(): void {
    this.#time.after(0, () => this.#act(), this.owner)
    this.#links.started(this)
  }

  /** It has heard of everything that was ever announced. */
  heard(bytes: Uint8Array, announcement: Announcement): void {
    this.#heard.push({ bytes, announcement })
  }

  connected(): void {}

  disconnected(): void {}

  gossiped(): Verdict {
    return 'ignore'
  }

  async answer(method: string): Promise<object> {
    const die = this.#random.next()
    if (die < 0.2) throw new Refusal('busy', 'never')
    if (die < 0.3) return new Promise(() => {})
    switch (method) {
      case 'state_request':
        return {
          sets: ['yanks', 'announcements'].map((name) => ({
            name,
            count: this.#random.below(1e6),
            root: '00'.repeat(32),
          })),
          log: { size: 0, root: '' },
        }
      case 'sync_request':
        return { nonce: toBase64Url(randomBytes(16)), ranges: toBase64Url(randomBytes(this.#random.below(64))) }
      case 'records_request':
        return { texts: this.#records() }
      case 'records_offer':
        return { results: [] }
      case 'announcements_request':
        return { announcements: this.#records().map((text) => JSON.parse(text) as object), next: 'again' }
      default:
        throw new Refusal('bad_request', method)
    }
  }

  #act(): void {
    this.#time.after(this.#random.next() * ACT_MS, () => this.#act(), this.owner)
    const peers = this.#links.peersOf(this)
    const peer = peers[this.#random.below(peers.length)]
    const old = this.#heard[this.#random.below(this.#heard.length)]
    if (peer === undefined || old === undefined) return
    const { bytes, announcement } = old
    const topic = 'announcements'
    const die = this.#random.next()
    if (die < 0.4) this.#links.whisper(this, peer, { topic, bytes, author: announcement.provider_id })
    else if (die < 0.6)
      this.#links.whisper(this, peer, { topic, bytes: utf8(this.#forged(announcement)), author: this.providerId })
    else {
      const texts = this.#records()
      void this.#links
        .request(this, peer, 'records_offer', { set: 'announcements', texts }, AbortSignal.timeout(1000))
        .catch(() => undefined)
    }
  }

  /** What was true once, or never. */
  #records(): string[] {
    return this.#random
      .some(this.#heard.slice(-50), 3)
      .map(({ announcement }) => (this.#random.next() < 0.7 ? canonicalJson(announcement) : this.#forged(announcement)))
  }

  #forged(announcement: Announcement): string {
    return canonicalJson({ ...announcement, sequence: announcement.sequence + 5000, cells: [] })
  }
}
