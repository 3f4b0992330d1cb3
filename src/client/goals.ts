import { sha256 } from '@noble/hashes/sha2.js'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ContributionVerdict, Goal, LeaderboardEntry } from '../../protocol/goal.ts'
import {
  ContributeAnswer,
  type ContributeRequest,
  GoalAnswer,
  type GoalCreation,
  type GoalDescription,
  type GoalList,
  GoalListAnswer,
  type GoalListQuery,
  GoalLogAnswer,
  type GoalLogPage,
  type GoalLogProof,
  type GoalLogQuery,
  GoalProofAnswer,
  type GoalState,
  GoalStatusAnswer,
  type Leaderboard,
  LeaderboardAnswer,
  type LeaderboardQuery,
  PolicyAnswer,
} from '../../protocol/goal-api.ts'
import { equalBytes, fromHex, toBase64, toBase64Url, toHex, utf8 } from '../kernel/base/bytes.ts'
import { canonicalJson } from '../kernel/base/canonical-json.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { packExtras, packHash, signContribution } from '../kernel/identity/contribution-signature.ts'
import { publicKeyOf } from '../kernel/identity/ids.ts'
import type { RequestKey } from '../kernel/identity/quantum-signature.ts'
import { verifyObject } from '../kernel/identity/signed.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { leafHash } from '../kernel/log/tree.ts'
import { verifyInclusion, verifyMmrInclusion } from '../kernel/log/verify.ts'
import { IntegrityError } from './errors.ts'
import {
  type Answer,
  type Call,
  type CallOptions,
  call,
  checked,
  home,
  jsonBody,
  type Transport,
  withQuery,
} from './transport.ts'

/** Milliseconds for a verdict: a node may evaluate with sixteen seeds, behind others, before it answers. */
const VERDICT_MS = 120_000

/** An agent pack, and who submits it. */
export interface ContributionSubmission {
  readonly goalId: string
  readonly version: string
  readonly parameters: Uint8Array
  /** For people: neither hashed nor evaluated. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** What the goal demands, by name. */
  readonly proofs?: Readonly<Record<string, Uint8Array>> | undefined
  /** The contributor's Ed25519 key: `contributorKey(seed)`, or `newRequestKeys().ed25519` for one that is used once. */
  readonly key: RequestKey
  /** The digest that the goal must have, where the node's word for what its id means is not enough. */
  readonly goalDigest?: string | undefined
  /** Echoed. */
  readonly seed?: number | undefined
  /** Ends the proof of work as well. */
  readonly signal?: AbortSignal | undefined
}

/** Goals of the agent network, at the first node. */
export interface GoalsClient {
  /** Creates a goal and joins it. Administrators only, as {@link GoalsClient.join} and `leave`. */
  create(creation: GoalCreation, options?: CallOptions): Promise<GoalDescription>
  /** Goals that the node knows, joined or not. */
  list(query?: GoalListQuery, options?: CallOptions): Promise<GoalList>
  /** Describes a goal. Its digest and its creator's signature are verified. */
  get(goalId: string, options?: CallOptions): Promise<GoalDescription>
  /** From then on the node evaluates, keeps and relays its contributions. */
  join(goalId: string, options?: CallOptions): Promise<GoalDescription>
  /** Ends what {@link GoalsClient.join} began. What was kept stays. */
  leave(goalId: string, options?: CallOptions): Promise<GoalDescription>
  /**
   * Does the work that the goal asks for, signs, and submits. Resolves with the verdict, whether it is accepted or not. Rejects with `IntegrityError`
   * for a goal that is not what it should be, and with a retryable error where contributions come too fast.
   */
  contribute(submission: ContributionSubmission): Promise<ContributionVerdict>
  /** The best contributions, best first. */
  leaderboard(goalId: string, query?: LeaderboardQuery, options?: CallOptions): Promise<Leaderboard>
  /** How many contributions there are, and how good the best one is. */
  status(goalId: string, options?: CallOptions): Promise<GoalState>
  /** A page of the goal's log. */
  log(goalId: string, query?: GoalLogQuery, options?: CallOptions): Promise<GoalLogPage>
  /** The best contribution; null where there is none. */
  policy(goalId: string, options?: CallOptions): Promise<LeaderboardEntry | null>
  /** Proof that a leaf is in the goal's log, verified in both of its shapes against the root that it names. Whether that root is the log's, its checkpoint says. */
  proof(goalId: string, logIndex: number, options?: CallOptions): Promise<GoalLogProof>
}

const schemas = {
  goal: checkerOf(GoalAnswer),
  goals: checkerOf(GoalListAnswer),
  verdict: checkerOf(ContributeAnswer),
  leaderboard: checkerOf(LeaderboardAnswer),
  status: checkerOf(GoalStatusAnswer),
  log: checkerOf(GoalLogAnswer),
  policy: checkerOf(PolicyAnswer),
  proof: checkerOf(GoalProofAnswer),
}

const GOALS = '/api/v1/goals'

export function goalsClient(transport: Transport, network: string): GoalsClient {
  const answerTo = (request: Call): Promise<Answer> => call(transport, home(transport), request)
  const ask = async <T>(schema: { Check(value: unknown): value is { readonly data: T } }, request: Call): Promise<T> =>
    checked(schema, await answerTo(request)).data
  const describe = async (request: Call): Promise<GoalDescription> =>
    verifiedGoal(network, await ask(schemas.goal, request), home(transport))
  const at = (goalId: string): string => `${GOALS}/${encodeURIComponent(goalId)}`
  const get = (goalId: string, { signal }: CallOptions = {}): Promise<GoalDescription> =>
    describe({ path: at(goalId), signal })
  return {
    create: (creation, { signal } = {}) => describe({ method: 'POST', path: GOALS, signal, ...jsonBody(creation) }),
    list: (query = {}, { signal } = {}) => ask(schemas.goals, { path: withQuery(GOALS, query), signal }),
    get,
    join: (goalId, { signal } = {}) => describe({ method: 'POST', path: `${at(goalId)}/join`, signal }),
    leave: (goalId, { signal } = {}) => describe({ method: 'POST', path: `${at(goalId)}/leave`, signal }),
    contribute: async (submission) => {
      const known = await get(submission.goalId, submission)
      const body = await signedBody(network, known, submission)
      const request = { method: 'POST', path: '/api/v1/contribute', signal: submission.signal, timeoutMs: VERDICT_MS }
      return ask(schemas.verdict, { ...request, ...jsonBody(body) })
    },
    leaderboard: (goalId, query = {}, { signal } = {}) =>
      ask(schemas.leaderboard, { path: withQuery(`/api/v1/leaderboard/${encodeURIComponent(goalId)}`, query), signal }),
    status: (goalId, { signal } = {}) =>
      ask(schemas.status, { path: `/api/v1/status/${encodeURIComponent(goalId)}`, signal }),
    log: (goalId, query = {}, { signal } = {}) =>
      ask(schemas.log, { path: withQuery(`/api/v1/log/${encodeURIComponent(goalId)}`, query), signal }),
    policy: async (goalId, { signal } = {}) =>
      (await ask(schemas.policy, { path: `/api/v1/policy/${encodeURIComponent(goalId)}`, signal })).active_policy,
    proof: async (goalId, logIndex, { signal } = {}) => {
      const path = `/api/v1/proof/${encodeURIComponent(goalId)}/${logIndex}`
      return verifiedProof(logIndex, await ask(schemas.proof, { path, signal }), home(transport))
    },
  }
}

async function signedBody(
  network: string,
  { goal, digest }: GoalDescription,
  submission: ContributionSubmission,
): Promise<ContributeRequest> {
  const { goalId, goalDigest = digest, version, parameters, metadata, proofs, key, seed, signal } = submission
  if (goalDigest !== digest) {
    throw new IntegrityError(`${goalId} is the goal ${digest} at this node, and should be ${goalDigest}`)
  }
  // What is left out is no part of what is signed either.
  const brought = {
    ...(metadata === undefined ? {} : { metadata: { ...metadata } }),
    ...(proofs === undefined ? {} : { proofs: encoded(proofs, toBase64Url) }),
  }
  const { contributor_id, public_key, signature, work } = await signContribution(key, network, {
    goal: digest,
    packHash: packHash(version, parameters),
    extras: packExtras(brought),
    difficulty: goal.admission.kind === 'open' ? goal.admission.difficulty : 0,
    signal,
  })
  return {
    goal_id: goalId,
    agent_pack: {
      version,
      parameters: toBase64(parameters),
      ...(metadata === undefined ? {} : { metadata: { ...metadata } }),
    },
    ...(proofs === undefined ? {} : { proofs: encoded(proofs, toBase64) }),
    contributor_id,
    public_key,
    signature,
    ...(work === undefined ? {} : { work }),
    ...(seed === undefined ? {} : { seed }),
  }
}

const encoded = (
  proofs: Readonly<Record<string, Uint8Array>>,
  encode: (bytes: Uint8Array) => string,
): Record<string, string> => Object.fromEntries(Object.entries(proofs).map(([name, proof]) => [name, encode(proof)]))

/** What a node says of a goal, once digest and signature were seen to hold. */
function verifiedGoal(network: string, described: GoalDescription, node: string): GoalDescription {
  const { goal, digest } = described
  if (digest !== toHex(sha256(utf8(canonicalJson(goal))))) {
    throw new IntegrityError(`${node} says that the goal ${goal.goal_id} has the digest ${digest}, which it has not`, {
      node,
    })
  }
  if (isSigned(network, goal)) return described
  const why = `it is not signed by its creator ${goal.creator} for the network ${network}`
  throw new IntegrityError(`the goal ${goal.goal_id} does not hold: ${why}`, { node })
}

function isSigned(network: string, goal: Goal): boolean {
  try {
    return verifyObject(pureVerifier, publicKeyOf(goal.creator), network, CONTEXTS.goal, goal, goal.signature)
  } catch {
    // No id of an Ed25519 key.
    return false
  }
}

/** A proof whose two shapes lead from its leaf to its root, in the one way that its index and size allow. */
function verifiedProof(index: number, proof: GoalLogProof, node: string): GoalLogProof {
  const hash = leafHash(utf8(proof.leaf))
  const claim = { leafHash: hash, index, size: proof.mmr_size, root: fromHex(proof.log_root) }
  const path = { siblings: proof.siblings.map((one) => fromHex(one.hash)), peaks: proof.peaks_bag.map(fromHex) }
  const sides = proof.siblings.every(({ is_right }, level) => is_right === (Math.floor(index / 2 ** level) % 2 === 0))
  const holds =
    proof.log_index === index &&
    sides &&
    equalBytes(fromHex(proof.leaf_hash), hash) &&
    verifyMmrInclusion(claim, path) &&
    verifyInclusion(claim, proof.inclusion.map(fromHex))
  if (holds) return proof
  throw new IntegrityError(`${node} sent a proof that does not hold for the leaf ${index}`, { node })
}
