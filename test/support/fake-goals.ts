import { CONTEXTS } from '../../protocol/contexts.ts'
import type { Contribution } from '../../protocol/contribution.ts'
import type { ContributionVerdict, Goal, GoalTerms, LeaderboardEntry, RejectionType } from '../../protocol/goal.ts'
import { goalTerms } from '../../protocol/goal-api.ts'
import { fromBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { packExtras, packHash, workBits } from '../../src/kernel/identity/contribution-signature.ts'
import { nodeIdOf, providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, signObject, verifyObject } from '../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { bagPeaks, EMPTY_ROOT, leafHash, nodeHash } from '../../src/kernel/log/tree.ts'
import type { GoalLogEntry, GoalProof, GoalStatus, Goals, KnownGoal, Submission } from '../../src/node/goals-api.ts'

/** Digest of an evaluator that nobody has. */
export const EVALUATOR = `sha256:${'0e'.repeat(32)}`

/** What the fake makes of every pack. */
export const METRICS = { reward: 2, risk: 1, complexity: 50 }
const SCORE = 1

/** Root of the RFC 9162 tree over leaf hashes, by its definition. */
export function treeRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length < 2) return leaves[0] ?? EMPTY_ROOT
  const left = largestPower(leaves.length)
  return nodeHash(treeRoot(leaves.slice(0, left)), treeRoot(leaves.slice(left)))
}

function path(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length < 2) return []
  const left = largestPower(leaves.length)
  return index < left
    ? [...path(index, leaves.slice(0, left)), treeRoot(leaves.slice(left))]
    : [...path(index - left, leaves.slice(left)), treeRoot(leaves.slice(0, left))]
}

/** The largest power of two below `size`. */
const largestPower = (size: number): number => 2 ** Math.ceil(Math.log2(size) - 1)

/**
 * Goals in memory, of one signed record each. It verifies what contributors sign as a node does, evaluates nothing, and takes everything that is
 * signed and worked for; the log is a tree by definition.
 */
export class FakeGoals implements Goals {
  readonly network: string
  readonly submissions: Submission[] = []
  readonly acts: string[] = []
  readonly known = new Map<string, KnownGoal>()
  readonly leaves = new Map<string, string[]>()
  readonly entries = new Map<string, LeaderboardEntry[]>()
  /** Thrown by the next contribution. */
  failure: Error | undefined
  readonly #identity = ed25519FromSeed(newSeed())

  constructor(network = 'main') {
    this.network = network
  }

  /** Makes a goal without asking anybody. */
  add(terms: GoalTerms, isJoined = true): KnownGoal {
    const unsigned: Omit<Goal, 'signature'> = {
      type: 'goal',
      format: 1,
      creator: providerIdOf(this.#identity.publicKey),
      created_at: 1_767_225_600_000,
      ...terms,
    }
    const goal: Goal = { ...unsigned, signature: signObject(this.#identity, this.network, CONTEXTS.goal, unsigned) }
    const made = { goal, digest: sha256Hex(canonicalJson(goal)), joined: isJoined }
    this.known.set(terms.goal_id, made)
    return made
  }

  async create(terms: GoalTerms, by: string): Promise<KnownGoal> {
    this.acts.push(`create ${terms.goal_id} ${by}`)
    if (this.known.has(terms.goal_id)) throw new ProviderError('PROV_007', `there is a goal ${terms.goal_id} already`)
    return this.add(terms)
  }

  list(): KnownGoal[] {
    return [...this.known.values()].sort((a, b) => (a.goal.goal_id < b.goal.goal_id ? -1 : 1))
  }

  get(goalId: string): KnownGoal {
    const found = this.known.get(goalId)
    if (found === undefined) throw new ProviderError('PROV_001', `there is no goal ${goalId}`, { status: 404 })
    return found
  }

  async join(goalId: string, by: string): Promise<KnownGoal> {
    return this.#set(goalId, true, by)
  }

  async leave(goalId: string, by: string): Promise<KnownGoal> {
    return this.#set(goalId, false, by)
  }

  async contribute(submission: Submission): Promise<ContributionVerdict> {
    this.submissions.push(submission)
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    const known = this.#joined(submission.goal_id)
    const contribution = recordOf(known.digest, submission)
    const refused = this.#whyNot(known, contribution)
    if (refused !== undefined) return verdict({ rejection_type: refused, reason: `${refused}: the fake says so` })
    const { contributor_id, pack_hash } = contribution
    const log = this.leaves.get(submission.goal_id) ?? []
    const leaf = { goal: known.digest, contributor_id, pack_hash, score: SCORE, metrics: METRICS }
    const log_index = log.push(canonicalJson(leaf)) - 1
    this.leaves.set(submission.goal_id, log)
    const entry = {
      pack_hash,
      contributor_id,
      score: SCORE,
      metrics: METRICS,
      log_index,
      timestamp_ms: 1_767_225_600_000,
    }
    const entries = [...(this.entries.get(submission.goal_id) ?? []), { rank: 0, ...entry }]
    entries.sort((a, b) => (a.pack_hash < b.pack_hash ? -1 : 1))
    this.entries.set(
      submission.goal_id,
      entries.map((one, i) => ({ ...one, rank: i + 1 })),
    )
    const contribution_id = sha256Hex(canonicalJson(contribution))
    return verdict({ accepted: true, reason: 'ACCEPTED', metrics: METRICS, score: SCORE, log_index, contribution_id })
  }

  leaderboard(goalId: string, limit: number) {
    this.#joined(goalId)
    const entries = this.entries.get(goalId) ?? []
    return { entries: entries.slice(0, limit), total: entries.length }
  }

  status(goalId: string): GoalStatus {
    this.get(goalId)
    const leaves = this.leaves.get(goalId) ?? []
    const rejected = this.submissions.filter(({ goal_id }) => goal_id === goalId).length - leaves.length
    return {
      goal_id: goalId,
      log_size: leaves.length,
      leaderboard_size: this.entries.get(goalId)?.length ?? 0,
      total_contributions: leaves.length + rejected,
      accepted_contributions: leaves.length,
      rejected_contributions: rejected,
      log_root: toHex(treeRoot(this.#hashes(goalId))),
      leaderboard_root: 'ab'.repeat(32),
      set_root: 'cd'.repeat(32),
    }
  }

  async log(
    goalId: string,
    { from, limit }: { readonly from: number; readonly limit: number },
  ): Promise<GoalLogEntry[]> {
    this.get(goalId)
    return (this.leaves.get(goalId) ?? []).slice(from, from + limit).map((leaf, i) => ({
      log_index: from + i,
      leaf_hash: toHex(leafHash(utf8(leaf))),
      leaf,
    }))
  }

  policy(goalId: string): LeaderboardEntry | null {
    this.get(goalId)
    return this.entries.get(goalId)?.[0] ?? null
  }

  async proof(goalId: string, index: number): Promise<GoalProof> {
    this.get(goalId)
    const hashes = this.#hashes(goalId)
    const size = hashes.length
    const hash = hashes[index]
    const leaf = this.leaves.get(goalId)?.[index]
    if (hash === undefined || leaf === undefined) {
      throw new ProviderError('PROV_001', `Log index ${index} out of bounds [0, ${size})`, { status: 404 })
    }
    const peaks: Uint8Array[][] = []
    for (let at = 0; at < size; at += peaks.at(-1)!.length) {
      const height = Math.floor(Math.log2(size - at))
      peaks.push(hashes.slice(at, at + 2 ** height))
    }
    let own = 0
    let position = index
    while (position >= peaks[own]!.length) position -= peaks[own++]!.length
    return {
      log_index: index,
      leaf,
      leafHash: hash,
      siblings: path(position, peaks[own]!),
      peaks: peaks.filter((_, i) => i !== own).map(treeRoot),
      size,
      root: bagPeaks(peaks.map(treeRoot)),
      inclusion: path(index, hashes),
    }
  }

  #hashes(goalId: string): Uint8Array[] {
    return (this.leaves.get(goalId) ?? []).map((leaf) => leafHash(utf8(leaf)))
  }

  #joined(goalId: string): KnownGoal {
    const known = this.get(goalId)
    if (known.joined) return known
    throw new ProviderError('PROV_001', `this node has not joined ${goalId}`, { status: 409 })
  }

  #set(goalId: string, isJoined: boolean, by: string): KnownGoal {
    const changed = { ...this.get(goalId), joined: isJoined }
    this.acts.push(`${isJoined ? 'join' : 'leave'} ${goalId} ${by}`)
    this.known.set(goalId, changed)
    return changed
  }

  #whyNot({ goal }: KnownGoal, contribution: Contribution): RejectionType | undefined {
    const { public_key, contributor_id, signature } = contribution
    const key = fromBase64Url(public_key)
    if (nodeIdOf(key) !== contributor_id) return 'INVALID_SIGNATURE'
    const isSigned = verifyObject(nativeVerifier, key, this.network, CONTEXTS.contribution, contribution, signature)
    if (!isSigned) return 'INVALID_SIGNATURE'
    const { admission } = goal
    if (admission.kind === 'closed') return admission.contributors.includes(contributor_id) ? undefined : 'INVALID_GOAL'
    return workBits(this.network, contribution) < admission.difficulty ? 'PROOF_INVALID' : undefined
  }
}

/** The record that a submission signs. */
function recordOf(goal: string, submission: Submission): Contribution {
  const { agent_pack, proofs, contributor_id, public_key, signature, work } = submission
  const { metadata } = agent_pack
  const extras = packExtras({
    ...(metadata === undefined ? {} : { metadata }),
    ...(proofs === undefined ? {} : { proofs }),
  })
  return {
    type: 'contribution',
    goal,
    contributor_id,
    pack_hash: packHash(agent_pack.version, fromBase64Url(agent_pack.parameters)),
    ...(extras === undefined ? {} : { extras }),
    ...(work === undefined ? {} : { work }),
    public_key,
    signature,
  }
}

const verdict = (more: Partial<ContributionVerdict>): ContributionVerdict => ({
  accepted: false,
  reason: '',
  rejection_type: null,
  metrics: null,
  log_index: null,
  score: null,
  contribution_id: null,
  ...more,
})

/** Terms of a goal that takes a little work. */
export const termsOf = (goal_id: string, more: Partial<GoalTerms> = {}): GoalTerms => ({
  ...goalTerms({ goal_id, evaluator: { digest: EVALUATOR } }),
  admission: { kind: 'open', difficulty: 4 },
  ...more,
})
