import type { Announcement } from '../../../protocol/announcement.ts'
import type { Acceptance } from '../../../protocol/rpc.ts'
import { checkAnnouncement, type Refusal, readAnnouncement } from '../../domain/federation/announcement.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { Verdict } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'events' | 'directory' | 'partners' | 'network'> & {
  readonly knownLogs: Pick<NodeParts['knownLogs'], 'standing'>
}

/** Milliseconds for one page of a newly met peer's announcements. */
const PAGE_MS = 10_000
/** Pages that are asked of one peer. */
const MAX_PAGES = 1000

/** Takes in what other nodes announce: by gossip, by reconciling, and all at once from a peer that knows much more. */
export class Learner {
  readonly #parts: Parts
  readonly #onTaken: (announcement: Announcement, from: string) => void

  /** `onTaken` hears of announcements that were taken in, and of who passed them on. */
  constructor(parts: Parts, onTaken: (announcement: Announcement, from: string) => void) {
    this.#parts = parts
    this.#onTaken = onTaken
  }

  /** Judges a gossiped announcement before it is relayed, and takes it in when it is good. */
  gossiped(bytes: Uint8Array, from: string, author: string): Verdict {
    const { config, clock } = this.#parts
    const read = readAnnouncement(bytes, { network: config.network.name, verifier: nativeVerifier, now: clock.now() })
    if ('verdict' in read) return this.#refuse(read)
    // Only their origin publishes announcements, so that a limit per author is one per origin.
    if (read.provider_id !== author) return this.#refuse({ verdict: 'reject', reason: 'author' })
    return this.#take(read, from) ? 'accept' : 'ignore'
  }

  /** Asks a peer for every announcement that it holds. Never throws: what did not come, reconciling brings. */
  async catchUp(peer: string): Promise<void> {
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
    }
  }

  /** Judges an announcement that a peer brought in its RFC 8785 text, and takes it in when it is news. */
  brought(text: string, from: string): Acceptance {
    const { config, clock } = this.#parts
    const read = readAnnouncement(utf8(text), {
      network: config.network.name,
      verifier: nativeVerifier,
      now: clock.now(),
    })
    if ('verdict' in read) return this.#refuse(read) === 'reject' ? 'rejected' : 'ignored'
    if (canonicalJson(read) !== text) return 'rejected'
    return this.#take(read, from) ? 'accepted' : 'ignored'
  }

  #learn(announcement: Announcement, from: string): void {
    const { config, clock, directory, network } = this.#parts
    // Most are known already: that is cheaper to see than a signature is to check.
    if (!directory.isNews(announcement)) return
    const checked = checkAnnouncement(announcement, {
      network: config.network.name,
      verifier: nativeVerifier,
      now: clock.now(),
    })
    if ('verdict' in checked) {
      if (this.#refuse(checked) === 'reject') network.scores.record(from, 'invalid_message')
    } else this.#take(checked, from)
  }

  #take(announcement: Announcement, from: string): boolean {
    const { directory, partners, network, events, logger, knownLogs } = this.#parts
    if (!directory.isNews(announcement)) return false
    const { provider_id: providerId, sequence, cells } = announcement
    if (partners.isUntrusted(providerId) || knownLogs.standing(providerId) === 'equivocated') {
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
    events.emit('announcement_received', { providerId, sequence, cells: cells.length, from })
    this.#onTaken(announcement, from)
    return true
  }

  #refuse({ verdict, reason }: Refusal): Verdict {
    this.#parts.events.emit('announcement_refused', { reason })
    return verdict
  }
}
