import { randomBytes } from 'node:crypto'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { type Contribution, ContributionAnnounce, type ContributionResult } from '../../../protocol/contribution.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { contributionId, notAdmitted, recordText } from '../../domain/goals/contribution-record.ts'
import type { GoalEntry } from '../../domain/goals/goal-book.ts'
import { toBase64Url, utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { nodeIdOf, publicKeyOf } from '../../kernel/identity/ids.ts'
import { signObject, verifyObject } from '../../kernel/identity/keys.ts'
import { decoded } from '../../kernel/identity/signed.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { Verdict } from '../../network/network.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import { TokenBucket } from '../../network/token-bucket.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'keys'> {
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly network: Pick<NodeParts['network'], 'publish' | 'request' | 'scores' | 'connectedPeers'>
}

/** What is announced and learned of one goal. */
interface Topic {
  readonly goal: GoalEntry
  readonly set: Pick<RecordSet, 'accept'>
  /** Whether a contribution is kept, or not wanted. */
  readonly has: (id: string) => boolean
}

/** Announcements of this node per second, and at once: others listen to a hundred of one author. Reconciling brings what is over. */
const PER_SECOND = 50
const AT_ONCE = 100
/** Contributions that are to be fetched, of one goal. Reconciling brings what is over. */
const MAX_WANTED = 1024
/** Milliseconds in which they are collected before a peer is asked, in which it must answer, and after which another one is asked. */
const COLLECT_MS = 20
const ANSWER_MS = 10_000
const OTHER_MS = 500

const schema = checkerOf(ContributionAnnounce)

/**
 * The fast way of contributions to one goal: who accepts one tells of it, and who hears of it asks for the pack. An announcement is verified before
 * it is passed on; what it says of the result is its sender's word, on which nothing depends. What does not get through is reconciled.
 */
export class ContributionGossip {
  readonly #parts: Parts
  readonly #topic: Topic
  readonly #own = new TokenBucket(PER_SECOND, AT_ONCE)
  /** Contribution → peers that may have it, the likeliest first. */
  readonly #wanted = new Map<string, string[]>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #stop = new AbortController()
  #collecting = false

  constructor(parts: Parts, topic: Topic) {
    this.#parts = parts
    this.#topic = topic
  }

  stop(): void {
    this.#stop.abort(new Error('the node does not work for the goal any more'))
    for (const timer of this.#timers) clearTimeout(timer)
    this.#wanted.clear()
  }

  /** Tells of a contribution that was accepted here, unless that was too much lately. Never rejects. */
  publish(contribution: Contribution, result: ContributionResult): void {
    if (!this.#own.take()) return
    const { keys, clock, config, network, logger } = this.#parts
    const unsigned = {
      type: 'contribution_announce' as const,
      sender_id: keys.providerId,
      timestamp: clock.now(),
      nonce: toBase64Url(randomBytes(16)),
      contribution,
      result,
    }
    const signature = signObject(keys.identity, config.network.name, CONTEXTS.contributionAnnounce, unsigned)
    const bytes = utf8(canonicalJson({ ...unsigned, signature }))
    network.publish(`goal/${this.#topic.goal.digest}`, bytes).catch((error: unknown) => {
      logger.debug({ reason: errorMessage(error) }, 'a contribution was not gossiped; reconciling brings it')
    })
  }

  /** Judges an announcement before it is passed on, and asks for what is new. */
  gossiped(bytes: Uint8Array, from: string): Verdict {
    const announce = this.#read(bytes)
    const id = announce && contributionId(announce.contribution)
    if (id !== undefined && this.#topic.has(id)) return 'ignore'
    if (announce === undefined || id === undefined || !this.#holds(announce)) {
      this.#parts.network.scores.record(from, 'invalid_contribution')
      return 'reject'
    }
    const { sender_id: sender, timestamp } = announce
    if (Math.abs(this.#parts.clock.now() - timestamp) > LIMITS.clockSkewMs) return 'ignore'
    this.#want(id, sender === from ? [from] : [sender, from])
    return 'accept'
  }

  /** Undefined for what has not the form of one about this goal. */
  #read(bytes: Uint8Array): ContributionAnnounce | undefined {
    if (bytes.length > LIMITS.contributionAnnounceBytes) return undefined
    try {
      const announce = parseStrictJson(bytes)
      return schema.Check(announce) && announce.contribution.goal === this.#topic.goal.digest ? announce : undefined
    } catch {
      return undefined
    }
  }

  /** Both signatures, and what the goal asks of contributors. */
  #holds(announce: ContributionAnnounce): boolean {
    const network = this.#parts.config.network.name
    const { contribution, sender_id: sender, signature } = announce
    const key = decoded(contribution.public_key)
    if (key === undefined || nodeIdOf(key) !== contribution.contributor_id) return false
    if (notAdmitted(this.#topic.goal.goal, network, contribution) !== undefined) return false
    let identity: Uint8Array
    try {
      identity = publicKeyOf(sender)
    } catch {
      return false
    }
    const { contributionAnnounce, contribution: context } = CONTEXTS
    return (
      verifyObject(nativeVerifier, identity, network, contributionAnnounce, announce, signature) &&
      verifyObject(nativeVerifier, key, network, context, contribution, contribution.signature)
    )
  }

  #want(id: string, peers: string[]): void {
    if (this.#wanted.has(id) || this.#wanted.size >= MAX_WANTED) return
    this.#wanted.set(id, peers)
    this.#collect(COLLECT_MS)
  }

  #collect(ms: number): void {
    if (this.#collecting || this.#stop.signal.aborted) return
    this.#collecting = true
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void this.#askAll().finally(() => {
        this.#collecting = false
        if (this.#wanted.size > 0) this.#collect(OTHER_MS)
      })
    }, ms)
    this.#timers.add(timer)
  }

  /** Asks one peer after the other for what it may have. Never rejects. */
  async #askAll(): Promise<void> {
    const connected = new Set(this.#parts.network.connectedPeers().map(({ providerId }) => providerId))
    const byPeer = new Map<string, string[]>()
    for (const [id, peers] of this.#wanted) {
      let peer = peers.shift()
      while (peer !== undefined && !connected.has(peer)) peer = peers.shift()
      if (peer === undefined || this.#topic.has(id)) this.#wanted.delete(id)
      else byPeer.set(peer, [...(byPeer.get(peer) ?? []), id])
    }
    await Promise.all(Array.from(byPeer, ([peer, ids]) => this.#askFor(peer, ids)))
  }

  async #askFor(peer: string, ids: readonly string[]): Promise<void> {
    const { network, logger } = this.#parts
    try {
      for (let at = 0; at < ids.length; at += LIMITS.contributionsPerRequest) {
        const body = {
          goal: this.#topic.goal.digest,
          contributions: ids.slice(at, at + LIMITS.contributionsPerRequest),
        }
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
        const { contributions } = await network.request(peer, 'contribution_request', body, { signal })
        const brought = contributions.map(({ contribution, pack }) => ({
          id: contributionId(contribution),
          text: recordText({ contribution, pack }),
        }))
        if (!brought.every(({ id }) => body.contributions.includes(id))) {
          throw new Error('it answered with what it was not asked for')
        }
        // Together, so that they share a write to the disk.
        const acceptances = await Promise.all(brought.map(({ text }) => this.#topic.set.accept(text, peer)))
        for (const [i, { id }] of brought.entries()) {
          const acceptance = acceptances[i]
          if (acceptance === 'rejected') {
            network.scores.record(peer, 'invalid_contribution')
            throw new Error('it brought a contribution that does not hold')
          }
          if (acceptance === 'accepted') network.scores.record(peer, 'valid_contribution')
          this.#wanted.delete(id)
        }
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not bring what was announced')
      }
    }
  }
}
