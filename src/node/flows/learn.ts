import type { Announcement } from '../../../protocol/announcement.ts'
import { checkAnnouncement, type Refusal, readAnnouncement } from '../../domain/federation/announcement.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { Verdict } from '../../network/network.ts'
import { PeerError } from '../../network/peer-error.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'events' | 'directory' | 'partners' | 'network'>

/** Milliseconds for one page of a newly met peer's announcements. */
const PAGE_MS = 10_000
/** Pages that are asked of one peer. */
const MAX_PAGES = 1000
/** Milliseconds after which a peer that had no time is asked again, and as many more at random; and how often. */
const BUSY_MS = 1000
const BUSY_TRIES = 5
/** Milliseconds after which a newly met peer is asked once more: what it heard before gossip between the two had begun. */
const SETTLE_MS = 3000

/** Takes in what other nodes announce: by gossip, and all at once from a peer that was just met. */
export class Learner implements Part {
  readonly name = 'learner'
  readonly #parts: Parts
  readonly #onTaken: (announcement: Announcement, from: string) => void
  /** Peers that are being asked. */
  readonly #asking = new Set<string>()
  readonly #settling = new Set<NodeJS.Timeout>()
  #unsubscribe: (() => void) | undefined

  /** `onTaken` hears of announcements that were taken in, and of who passed them on. */
  constructor(parts: Parts, onTaken: (announcement: Announcement, from: string) => void) {
    this.#parts = parts
    this.#onTaken = onTaken
  }

  start(): void {
    this.#unsubscribe = this.#parts.events.on('peer_connected', ({ providerId }) => this.#met(providerId))
  }

  stop(): void {
    this.#unsubscribe?.()
    for (const timer of this.#settling) clearTimeout(timer)
  }

  async #met(peer: string): Promise<void> {
    this.#later(SETTLE_MS, () => this.catchUp(peer))
    await this.catchUp(peer)
  }

  #later(ms: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#settling.delete(timer)
      void work()
    }, ms)
    this.#settling.add(timer)
  }

  /** Judges a gossiped announcement before it is relayed, and takes it in when it is good. */
  gossiped(bytes: Uint8Array, from: string): Verdict {
    const { config, clock } = this.#parts
    const read = readAnnouncement(bytes, { network: config.network.name, verifier: nativeVerifier, now: clock.now() })
    if ('verdict' in read) return this.#refuse(read)
    return this.#take(read, from) ? 'accept' : 'ignore'
  }

  /** Asks a peer for every announcement that it holds. Never throws. */
  async catchUp(peer: string, tries = BUSY_TRIES): Promise<void> {
    if (this.#asking.has(peer)) return
    this.#asking.add(peer)
    try {
      let after: string | undefined
      for (let page = 0; page < MAX_PAGES; page++) {
        const signal = AbortSignal.timeout(PAGE_MS)
        const answer = await this.#parts.network.request(
          peer,
          'announcements_request',
          after === undefined ? {} : { after },
          { signal },
        )
        for (const announcement of answer.announcements) this.#learn(announcement, peer)
        if (answer.next === undefined || answer.next === after) return
        after = answer.next
      }
    } catch (error) {
      this.#parts.logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not tell what it knows')
      if (error instanceof PeerError && error.code === 'busy' && tries > 0) {
        this.#later(BUSY_MS * (1 + Math.random()), () => this.catchUp(peer, tries - 1))
      }
    } finally {
      this.#asking.delete(peer)
    }
  }

  #learn(announcement: Announcement, from: string): void {
    const { config, clock, directory } = this.#parts
    // Most are known already: that is cheaper to see than a signature is to check.
    if (!directory.isNews(announcement)) return
    const checked = checkAnnouncement(announcement, {
      network: config.network.name,
      verifier: nativeVerifier,
      now: clock.now(),
    })
    if ('verdict' in checked) this.#refuse(checked)
    else this.#take(checked, from)
  }

  #take(announcement: Announcement, from: string): boolean {
    const { directory, partners, network, events, logger } = this.#parts
    if (!directory.isNews(announcement)) return false
    const { provider_id: providerId, sequence, cells } = announcement
    if (partners.isUntrusted(providerId)) {
      events.emit('announcement_refused', { providerId, reason: 'untrusted' })
      return false
    }
    if (!directory.hasRoom(announcement)) {
      events.emit('announcement_refused', { providerId, reason: 'room' })
      return false
    }
    directory
      .accept(announcement)
      .catch((error: unknown) => logger.error({ err: error }, 'an announcement could not be stored'))
    network.addAddresses(providerId, announcement.addresses, from).catch((error: unknown) => {
      logger.debug({ providerId, reason: errorMessage(error) }, 'addresses of an announcement were not taken')
    })
    events.emit('announcement_received', { providerId, sequence, cells: cells.length })
    this.#onTaken(announcement, from)
    return true
  }

  #refuse({ verdict, reason }: Refusal): Verdict {
    this.#parts.events.emit('announcement_refused', { reason })
    return verdict
  }
}
