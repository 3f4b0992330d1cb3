import { setTimeout as pause } from 'node:timers/promises'
import type { Contribution, ContributionPack } from '../../../protocol/contribution.ts'
import type { ContributionVerdict, GoalMetrics, RejectionType } from '../../../protocol/goal.ts'
import {
  type ContributionRecord,
  extrasOf,
  isSigned,
  misshapen,
  namedRecord,
  notContributor,
  packHash,
} from '../../domain/goals/contribution-record.ts'
import type { Admitted, Taken } from '../../domain/goals/goal-contributions.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { decoded } from '../../kernel/identity/signed.ts'
import { pooledVerifier } from '../../kernel/identity/verify.ts'
import { TokenBuckets } from '../../network/token-bucket.ts'
import type { Submission } from '../goals-api.ts'
import type { NodeParts } from '../parts.ts'
import type { JoinedGoal } from './joined-goal.ts'
import type { ContributionJudge, Judgement } from './judge-contribution.ts'

interface Parts {
  readonly config: Pick<NodeParts['config'], 'network' | 'goals'>
}

/** Submissions that are judged or wait: each may hold a megabyte. */
const MAX_UNDER_WAY = 1024
/** Milliseconds that a submission waits for its contributor's turn. */
const MAX_WAIT_MS = 5000

/** What is said of a submission that left no trace. */
interface Refusal {
  readonly type: RejectionType | null
  readonly reason: string
  readonly id?: string
  readonly metrics?: GoalMetrics
  readonly score?: number
}

/**
 * Takes submissions through the pipeline: rate, structure, goal, signature, duplicate, invariants, proofs, evaluation, threshold, then log and
 * leaderboard in one write, which those that come at the same time share. What is refused leaves nothing that could stand in the way of another.
 */
export class ContributionDesk {
  readonly #parts: Parts
  readonly #judge: Pick<ContributionJudge, 'judge'>
  readonly #contributors: TokenBuckets | undefined
  readonly #stop = new AbortController()
  #underWay = 0

  constructor(parts: Parts, judge: Pick<ContributionJudge, 'judge'>) {
    this.#parts = parts
    this.#judge = judge
    const { contributions_per_minute: perMinute } = parts.config.goals
    this.#contributors = perMinute === 0 ? undefined : new TokenBuckets(perMinute / 60, perMinute)
  }

  stop(): void {
    this.#stop.abort(new ProviderError('PROV_013', 'the node is stopping', { status: 503 }))
  }

  /** Judges a submission to a goal. What is accepted is durable when it resolves. Throws `PROV_013` where it comes too fast. */
  async submit(joined: JoinedGoal, submission: Submission): Promise<ContributionVerdict> {
    if (this.#underWay >= MAX_UNDER_WAY) {
      throw new ProviderError('PROV_013', `${this.#underWay} contributions are being judged: try again later`)
    }
    this.#underWay++
    try {
      const verdict = await this.#submit(joined, submission)
      if (!verdict.accepted && verdict.rejection_type !== null) joined.contributions.countRejected()
      return verdict
    } finally {
      this.#underWay--
    }
  }

  async #submit(joined: JoinedGoal, submission: Submission): Promise<ContributionVerdict> {
    const { entry, contributions } = joined
    const network = this.#parts.config.network.name
    const unsigned = unsignedBecause(submission, entry.digest)
    if (unsigned !== undefined) return refused({ type: 'INVALID_SIGNATURE', reason: unsigned })
    const record = recordOf(entry.digest, submission)
    if (record === undefined) {
      return refused({ type: 'INVALID_STRUCTURE', reason: 'parameters are not base64url without padding' })
    }
    const { id, text } = namedRecord(record)
    const wrong = misshapen(record, text) ?? notContributor({ ...entry, network }, record.contribution)
    if (wrong !== undefined) return refused(wrong)
    const { contribution } = record
    if (!(await isSigned(pooledVerifier, network, contribution))) {
      const reason =
        'the signature is not one by public_key over the contribution that this submission makes (context contribution, ' +
        `goal ${entry.digest})`
      return refused({ type: 'INVALID_SIGNATURE', reason })
    }
    await this.#turn(contribution.contributor_id)
    const admitted: Admitted = { id, record: sha256Hex(text), contribution, text }
    const kept = contributions.get(id)
    // One that a peer brought and that was refused is refused again, for the same reason.
    if (kept !== undefined && kept.state !== 'rejected') return refused({ ...DUPLICATES.known, id })
    if (contributions.isDuplicate({ id, contributor: contribution.contributor_id, pack: contribution.pack_hash })) {
      return refused({ ...DUPLICATES.pack, id })
    }
    if (contributions.isBeyond(id)) return refused({ ...DUPLICATES.full, id })
    const judgement = await this.#judge.judge(entry, record, this.#stop.signal)
    if (judgement.kind === 'rejected') return refused({ ...judgement, id })
    return this.#take(joined, admitted, judgement)
  }

  async #take(
    { contributions, gossip }: JoinedGoal,
    admitted: Admitted,
    judgement: Exclude<Judgement, { readonly kind: 'rejected' }>,
  ): Promise<ContributionVerdict> {
    const { id, contribution } = admitted
    const isAccepted = judgement.kind === 'accepted'
    const taken: Taken = await contributions.take(
      admitted,
      isAccepted ? { accepted: true, metrics: judgement.metrics, score: judgement.score } : undefined,
      true,
    )
    if (taken.kind !== 'taken') return refused({ ...DUPLICATES[taken.kind], id })
    if (!isAccepted || taken.standing === undefined) {
      const reason = isAccepted ? '' : `: ${judgement.reason}`
      return refused({ type: null, reason: `this node keeps it, and evaluates it later${reason}`, id })
    }
    const { metrics, score, logIndex } = taken.standing
    gossip.publish(contribution, { metrics, score })
    return {
      accepted: true,
      reason: 'ACCEPTED',
      rejection_type: null,
      metrics,
      log_index: logIndex,
      score,
      contribution_id: id,
    }
  }

  /** Waits for a contributor's turn. Throws `PROV_013` where that would take too long. */
  async #turn(contributor: string): Promise<void> {
    const bucket = this.#contributors?.of(contributor)
    const wait = bucket === undefined ? 0 : bucket.reserveWithin(MAX_WAIT_MS)
    if (wait === undefined) {
      const { contributions_per_minute: most } = this.#parts.config.goals
      throw new ProviderError('PROV_013', `this node takes ${most} contributions of one contributor per minute`)
    }
    const { signal } = this.#stop
    if (wait > 0) await pause(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

const DUPLICATES = {
  known: { type: 'DUPLICATE', reason: 'this contribution is here already' },
  pack: { type: 'DUPLICATE', reason: 'this pack was contributed already' },
  full: {
    type: 'RATE_LIMITED',
    reason:
      'its contributor, or the goal, has as many contributions with smaller ids as are kept, or as this node has room for ' +
      '(goals.max_bytes_per_goal)',
  },
} as const

/** What the node of a key is called. */
const NODE_ID = /^[0-9a-f]{40}$/

/** Why no signature can hold, in words that help those who come from the document; undefined where the node is to judge. */
function unsignedBecause({ public_key, signature, contributor_id }: Submission, digest: string): string | undefined {
  if (public_key === '' || signature === '') {
    return (
      'public_key and signature are missing: a contribution is signed with an Ed25519 key, over the record ' +
      `{type: "contribution", goal: "${digest}", contributor_id, pack_hash, extras, public_key, work} as protocol/README.md says ` +
      '("Contributions"); `cytoplex goal contribute` and the SDK do it'
    )
  }
  if (NODE_ID.test(contributor_id)) return undefined
  const found = JSON.stringify(contributor_id)
  return `contributor_id: found ${found}, allowed is the node id of public_key: the first 40 hexadecimal digits of its SHA-256`
}

/** What a submission says, as the contributor signed it; undefined where its parameters cannot be read. */
function recordOf(goal: string, submission: Submission): ContributionRecord | undefined {
  const { agent_pack, proofs, contributor_id, public_key, signature, work } = submission
  if (decoded(agent_pack.parameters) === undefined) return undefined
  const pack: ContributionPack = { ...agent_pack, ...(proofs === undefined ? {} : { proofs }) }
  const extras = extrasOf(pack)
  const contribution: Contribution = {
    type: 'contribution',
    goal,
    contributor_id,
    pack_hash: packHash(pack),
    ...(extras === undefined ? {} : { extras }),
    ...(work === undefined ? {} : { work }),
    public_key,
    signature,
  }
  return { contribution, pack }
}

const refused = ({ type, reason, id, metrics, score }: Refusal): ContributionVerdict => ({
  accepted: false,
  reason,
  rejection_type: type,
  metrics: metrics ?? null,
  log_index: null,
  score: score ?? null,
  contribution_id: id ?? null,
})
