import { type Static, type TSchema, Type } from 'typebox'
import { Milliseconds, Sha256Hex } from './fields.ts'
import { ContributionVerdict, Goal, GoalId, type GoalMetrics, GoalTerms, LeaderboardEntry } from './goal.ts'

/** What a goal says where whoever creates it says nothing. */
export const GOAL_DEFAULTS = {
  fuel: 100_000_000,
  /** 1 MiB. */
  memory_pages: 16,
  seeds: [0],
  /** Some 65,000 hashes: a fraction of a second for one contribution, an hour for ten thousand. */
  difficulty: 16,
  per_contributor: 100,
  weights: { reward: 1, risk: -0.5, complexity: -0.01 },
  capacity: 100,
} as const satisfies Record<string, number | readonly number[] | GoalMetrics>

/** What one answer lists. */
export const GOAL_PAGES = {
  /** Entries of a leaderboard or leaves of a log, when the client does not say, and at most. */
  entries: 100,
  maxEntries: 1000,
  /** Goals at most: as many of the longest stay below the 8 MiB that clients read. */
  goals: 50,
} as const

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: GOAL_PAGES.maxEntries, default: GOAL_PAGES.entries }))
const from = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }))

const hex = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description })
const hashes = (description: string) => Type.Array(Sha256Hex, { maxItems: 64, description })

/** The document's envelope around `data`. */
const envelope = <Data extends TSchema>(title: string, data: Data) =>
  Type.Object({ success: Type.Literal(true), data, error: Type.Null(), timestamp: Milliseconds }, { title })

/** The same around an error. `code` is added: it is one of the error table. */
export const GoalFailure = Type.Object(
  {
    success: Type.Literal(false),
    data: Type.Null(),
    error: Type.String({ examples: ['Rate limited'] }),
    code: Type.String({ examples: ['PROV_013'] }),
    timestamp: Milliseconds,
  },
  { title: 'GoalFailure' },
)

const { goal_id, name, description, evaluator, ...terms } = GoalTerms.properties

/** Body of `POST /api/v1/goals`. What is left out is as {@link GOAL_DEFAULTS} says, the name the id, and everything else empty. */
export const GoalCreation = Type.Object(
  {
    goal_id,
    name: Type.Optional(name),
    description: Type.Optional(description),
    evaluator: Type.Object(
      {
        digest: evaluator.properties.digest,
        fuel: Type.Optional(evaluator.properties.fuel),
        memory_pages: Type.Optional(evaluator.properties.memory_pages),
      },
      { additionalProperties: false },
    ),
    ...Type.Partial(Type.Object(terms)).properties,
  },
  { additionalProperties: false, title: 'GoalCreation' },
)
export type GoalCreation = Static<typeof GoalCreation>

/** The terms of a goal, complete. */
export const goalTerms = ({ evaluator: { digest, fuel, memory_pages }, ...said }: GoalCreation): GoalTerms => ({
  name: said.goal_id,
  description: '',
  seeds: [...GOAL_DEFAULTS.seeds],
  admission: { kind: 'open', difficulty: GOAL_DEFAULTS.difficulty },
  per_contributor: GOAL_DEFAULTS.per_contributor,
  weights: { ...GOAL_DEFAULTS.weights },
  min_score: null,
  mode: 'scalar',
  capacity: GOAL_DEFAULTS.capacity,
  invariants: {},
  proofs: [],
  ...said,
  evaluator: { digest, fuel: fuel ?? GOAL_DEFAULTS.fuel, memory_pages: memory_pages ?? GOAL_DEFAULTS.memory_pages },
})

/** A goal as a node knows it. */
export const GoalDescription = Type.Object(
  {
    goal: Goal,
    digest: hex('SHA-256 of the RFC 8785 bytes of `goal`: what contributions sign'),
    joined: Type.Boolean({ description: 'Whether this node evaluates, keeps and relays its contributions' }),
  },
  { title: 'GoalDescription' },
)
export type GoalDescription = Static<typeof GoalDescription>
export const GoalAnswer = envelope('GoalAnswer', GoalDescription)

/** Query of `GET /api/v1/goals`. */
export const GoalListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: GOAL_PAGES.goals, default: GOAL_PAGES.goals })),
  offset: from,
})
export type GoalListQuery = Static<typeof GoalListQuery>
const GoalList = Type.Object({
  goals: Type.Array(GoalDescription),
  total: Type.Integer({ minimum: 0 }),
  limit: Type.Integer({ minimum: 1 }),
  offset: Type.Integer({ minimum: 0 }),
})
export type GoalList = Static<typeof GoalList>
export const GoalListAnswer = envelope('GoalListAnswer', GoalList)

/**
 * Body of `POST /api/v1/contribute`. `public_key` and `signature` are those of the contribution's record (`contribution.ts`), and so is `work`. Sizes and
 * names are judged by the node, with a verdict.
 */
export const ContributeRequest = Type.Object(
  {
    goal_id: GoalId,
    agent_pack: Type.Object({
      version: Type.String({ examples: ['1.0'] }),
      parameters: Type.String({ description: 'base64, padded or not', examples: ['SGVsbG8gV29ybGQ='] }),
      metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
    proofs: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'base64, padded or not; by name' })),
    contributor_id: Type.String({ maxLength: 128, description: 'The node id of `public_key`' }),
    public_key: Type.Optional(Type.String({ maxLength: 128, description: 'Ed25519, base64url' })),
    signature: Type.Optional(
      Type.String({ maxLength: 128, description: "base64url, over the contribution's record, context `contribution`" }),
    ),
    work: Type.Optional(Type.String({ maxLength: 128, description: 'Proof of work, for open goals' })),
    seed: Type.Optional(
      Type.Integer({
        minimum: -Number.MAX_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Echoed; the seeds are those of the goal',
      }),
    ),
  },
  { title: 'ContributeRequest' },
)
export type ContributeRequest = Static<typeof ContributeRequest>

const ContributeVerdict = Type.Object({ ...ContributionVerdict.properties, seed: Type.Optional(Type.Integer()) })
export const ContributeAnswer = envelope('ContributeAnswer', ContributeVerdict)

/** Query of `GET /api/v1/leaderboard/{goal_id}`. */
export const LeaderboardQuery = Type.Object({ limit })
export type LeaderboardQuery = Static<typeof LeaderboardQuery>
const Leaderboard = Type.Object({
  goal_id: GoalId,
  entries: Type.Array(LeaderboardEntry),
  total: Type.Integer({ minimum: 0 }),
})
export type Leaderboard = Static<typeof Leaderboard>
export const LeaderboardAnswer = envelope('LeaderboardAnswer', Leaderboard)

const Count = Type.Integer({ minimum: 0 })
const GoalState = Type.Object({
  goal_id: GoalId,
  log_size: Count,
  leaderboard_size: Count,
  total_contributions: Count,
  accepted_contributions: Count,
  rejected_contributions: Count,
  log_root: Sha256Hex,
  leaderboard_root: Sha256Hex,
  set_root: hex('Added: of the contributions that nodes share'),
})
export type GoalState = Static<typeof GoalState>
export const GoalStatusAnswer = envelope('GoalStatusAnswer', GoalState)

/** Query of `GET /api/v1/log/{goal_id}`. */
export const GoalLogQuery = Type.Object({ from, limit })
export type GoalLogQuery = Static<typeof GoalLogQuery>
const GoalLogPage = Type.Object({
  goal_id: GoalId,
  log_root: Sha256Hex,
  log_size: Count,
  from_index: Count,
  limit: Type.Integer({ minimum: 1 }),
  entries: Type.Array(
    Type.Object({
      log_index: Count,
      leaf_hash: Sha256Hex,
      leaf: Type.String({ description: 'RFC 8785 text of `{goal, contributor_id, pack_hash, score, metrics}`' }),
    }),
    { description: 'Added: the leaves from `from_index` on, as many as `limit` allows' },
  ),
})
export type GoalLogPage = Static<typeof GoalLogPage>
export const GoalLogAnswer = envelope('GoalLogAnswer', GoalLogPage)

const ActivePolicy = Type.Object({ goal_id: GoalId, active_policy: Type.Union([LeaderboardEntry, Type.Null()]) })
export const PolicyAnswer = envelope('PolicyAnswer', ActivePolicy)

const GoalLogProof = Type.Object({
  goal_id: GoalId,
  log_index: Count,
  leaf_hash: Sha256Hex,
  siblings: Type.Array(
    Type.Object({
      hash: Sha256Hex,
      is_right: Type.Boolean({ description: 'Whether it stands to the right of the path' }),
    }),
    { maxItems: 64, description: 'From the leaf up to its peak' },
  ),
  peaks_bag: hashes('The other peaks, tallest first'),
  mmr_size: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Leaves of the log' }),
  log_root: Sha256Hex,
  leaf: Type.String({ description: 'Added: what `leaf_hash` is the RFC 9162 leaf hash of' }),
  inclusion: hashes('Added: the path of RFC 9162 to the same root'),
})
export type GoalLogProof = Static<typeof GoalLogProof>
export const GoalProofAnswer = envelope('GoalProofAnswer', GoalLogProof)
