import { type Static, Type } from 'typebox'
import { Digest, Milliseconds, ProviderId, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const

/** The alias of a goal at a node, none of the paths of a node's own log. What travels names a goal by the digest of its record. */
export const GoalId = Type.String({
  pattern: '^(?!(?:checkpoint|tile|inclusion|consistency|witnesses|evidence|epochs)$)[A-Za-z0-9_-]{1,64}$',
  examples: ['my-goal-123'],
})
/** The node id of a contributor's key: the first 40 hexadecimal digits of its SHA-256. */
export const ContributorId = Type.String({ pattern: '^[0-9a-f]{40}$' })

/** What an evaluator makes of a pack. */
export const GoalMetrics = Type.Object(
  { reward: Type.Number(), risk: Type.Number(), complexity: Type.Number() },
  closed,
)
export type GoalMetrics = Static<typeof GoalMetrics>

/** The evaluator: a WebAssembly cell, named by its package's digest alone, and what one evaluation may use. */
const GoalEvaluator = Type.Object(
  {
    digest: Digest,
    /** Units of fuel: about one per instruction. Exhausted: `EVALUATION_TIMEOUT`, on every machine. */
    fuel: Type.Integer({ minimum: 1, maximum: LIMITS.goalFuel }),
    /** Pages of 64 KiB: the module's memory has exactly as many. */
    memory_pages: Type.Integer({ minimum: 1, maximum: LIMITS.goalMemoryPages }),
  },
  closed,
)

/** Who may contribute: everybody who has done the work (leading zero bits), or who is listed. */
const GoalAdmission = Type.Union([
  Type.Object({ kind: Type.Literal('open'), difficulty: Type.Integer({ minimum: 0, maximum: 32 }) }, closed),
  Type.Object(
    {
      kind: Type.Literal('closed'),
      contributors: Type.Array(ContributorId, { minItems: 1, maxItems: LIMITS.goalContributors, uniqueItems: true }),
    },
    closed,
  ),
])

/** What every pack must fulfil before it is evaluated, and every result after. */
const GoalInvariants = Type.Object(
  {
    /** JSON Schema (draft 2020-12, without references) over `{version, parameters_bytes, metadata}`. */
    schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    /** Inclusive bounds of metrics and score. */
    bounds: Type.Optional(
      Type.Array(
        Type.Object(
          {
            of: Type.Union([
              Type.Literal('reward'),
              Type.Literal('risk'),
              Type.Literal('complexity'),
              Type.Literal('score'),
            ]),
            min: Type.Optional(Type.Number()),
            max: Type.Optional(Type.Number()),
          },
          closed,
        ),
        { maxItems: 8 },
      ),
    ),
  },
  closed,
)

/** What whoever creates a goal says of it. */
export const GoalTerms = Type.Object(
  {
    goal_id: GoalId,
    name: Type.String({ minLength: 1, maxLength: 200 }),
    description: Type.String({ maxLength: 5000 }),
    evaluator: GoalEvaluator,
    /** Each pack is evaluated with each seed; its metrics are the means. */
    seeds: Type.Array(Type.Integer({ minimum: 0, maximum: 0xffffffff }), { minItems: 1, maxItems: 16 }),
    admission: GoalAdmission,
    /** Contributions of one contributor that are kept: those with the smallest ids. */
    per_contributor: Type.Integer({ minimum: 1, maximum: 10_000 }),
    weights: GoalMetrics,
    /** A score below it is `SCORE_TOO_LOW`; null: none is. */
    min_score: Type.Union([Type.Number(), Type.Null()]),
    mode: Type.Union([Type.Literal('scalar'), Type.Literal('pareto')]),
    /** Entries of the leaderboard. */
    capacity: Type.Integer({ minimum: 1, maximum: 1000 }),
    invariants: GoalInvariants,
    /** Names of the proofs that each pack must bring; each is checked by the verifier of that name. */
    proofs: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), { maxItems: 8, uniqueItems: true }),
  },
  closed,
)
export type GoalTerms = Static<typeof GoalTerms>

/** A goal as it travels: signed by the identity of the node that created it (context `goal`). Its digest is the SHA-256 of its RFC 8785 bytes, signature included. */
export const Goal = Type.Object(
  {
    type: Type.Literal('goal'),
    format: Type.Literal(1),
    creator: ProviderId,
    created_at: Milliseconds,
    ...GoalTerms.properties,
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
  },
  closed,
)
export type Goal = Static<typeof Goal>

/** Why a contribution was not taken. */
export const RejectionType = Type.Union([
  Type.Literal('DUPLICATE'),
  Type.Literal('INVALID_SIGNATURE'),
  Type.Literal('INVALID_GOAL'),
  Type.Literal('INVARIANT_VIOLATION'),
  Type.Literal('PROOF_INVALID'),
  Type.Literal('SCORE_TOO_LOW'),
  Type.Literal('RATE_LIMITED'),
  Type.Literal('INVALID_STRUCTURE'),
  Type.Literal('EVALUATION_TIMEOUT'),
  Type.Literal('EVALUATION_ERROR'),
])
export type RejectionType = Static<typeof RejectionType>

/** What became of a contribution ("Submit a contribution"). */
export const ContributionVerdict = Type.Object({
  accepted: Type.Boolean(),
  /** `ACCEPTED`, or why not, in words. */
  reason: Type.String(),
  rejection_type: Type.Union([RejectionType, Type.Null()]),
  metrics: Type.Union([GoalMetrics, Type.Null()]),
  log_index: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  score: Type.Union([Type.Number(), Type.Null()]),
  /** Id of the contribution; null where it has none. */
  contribution_id: Type.Union([Sha256Hex, Type.Null()]),
})
export type ContributionVerdict = Static<typeof ContributionVerdict>

/** An entry of a leaderboard, and the active policy. */
export const LeaderboardEntry = Type.Object({
  rank: Type.Integer({ minimum: 1 }),
  pack_hash: Sha256Hex,
  contributor_id: ContributorId,
  score: Type.Number(),
  metrics: GoalMetrics,
  log_index: Type.Integer({ minimum: 0 }),
  /** When this node accepted it. */
  timestamp_ms: Milliseconds,
})
export type LeaderboardEntry = Static<typeof LeaderboardEntry>
