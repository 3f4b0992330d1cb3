import { type Static, Type } from 'typebox'
import { Base64Url, Correlation, Milliseconds, ProviderId, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const

/** JSON has no others, and no node takes one: NaN and infinities never come this far. */
const Finite = Type.Number()
/** `ceil(bytes · 4 / 3)`: characters of base64url without padding. */
const charactersOf = (bytes: number): number => Math.ceil((bytes * 4) / 3)

/**
 * A contribution as its author signs it (context `contribution`, by `public_key`). It names the goal by the digest of its record, and the pack by its
 * hash; what an evaluator makes of it is no part of it. Its id is the SHA-256 of its RFC 8785 bytes, signature included.
 */
export const Contribution = Type.Object(
  {
    type: Type.Literal('contribution'),
    /** SHA-256 of the goal's record. */
    goal: Sha256Hex,
    /** The node id of `public_key`: the first 40 hexadecimal digits of its SHA-256. */
    contributor_id: Type.String({ pattern: '^[0-9a-f]{40}$' }),
    /** SHA-256 of u64be(length of version) ‖ version ‖ u64be(length of parameters) ‖ parameters. */
    pack_hash: Sha256Hex,
    /**
     * SHA-256 of the RFC 8785 bytes of `{metadata, proofs}`, of which those are there that the pack has; absent where it has neither. So nobody but the
     * contributor can give a contribution other metadata or proofs.
     */
    extras: Type.Optional(Sha256Hex),
    /**
     * Proof of work, for open goals: SHA-256(`cytoplex/<network>/contribution-work/v1\n` ‖ RFC 8785 bytes of this object without `signature`) begins with as many
     * zero bits as the goal's difficulty.
     */
    work: Type.Optional(Type.String({ pattern: '^[0-9a-f]{1,16}$' })),
    /** Ed25519, 32 bytes. */
    public_key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
  },
  closed,
)
export type Contribution = Static<typeof Contribution>

/** What a contribution is about. `metadata` reaches neither hash nor evaluator. */
export const ContributionPack = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 64 }),
    parameters: Type.String({
      pattern: '^[A-Za-z0-9_-]*$',
      maxLength: charactersOf(LIMITS.contributionParameterBytes),
    }),
    metadata: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), Type.String({ maxLength: 256 }), {
        maxProperties: 100,
        additionalProperties: false,
      }),
    ),
    /** By kind. */
    proofs: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }),
        Type.String({ pattern: '^[A-Za-z0-9_-]*$', maxLength: charactersOf(LIMITS.contributionProofBytes) }),
        { maxProperties: 8, additionalProperties: false },
      ),
    ),
  },
  closed,
)
export type ContributionPack = Static<typeof ContributionPack>

/** What the goal's evaluator made of a pack at the node that says so. Whoever receives it evaluates for itself. */
export const ContributionResult = Type.Object(
  {
    score: Finite,
    metrics: Type.Object({ reward: Finite, risk: Finite, complexity: Finite }, closed),
  },
  closed,
)
export type ContributionResult = Static<typeof ContributionResult>

/**
 * Gossiped among the nodes that joined a goal: there is a new contribution. It travels by itself, so it is signed by itself: by the identity of
 * `sender_id`, context `contribution-announce`.
 */
export const ContributionAnnounce = Type.Object(
  {
    type: Type.Literal('contribution_announce'),
    sender_id: ProviderId,
    timestamp: Milliseconds,
    /** 16 bytes. */
    nonce: Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
    contribution: Contribution,
    result: ContributionResult,
    signature: Base64Url,
  },
  closed,
)
export type ContributionAnnounce = Static<typeof ContributionAnnounce>

/** Asks for contributions to one goal with their packs, by id. */
export const ContributionRequest = Type.Object(
  {
    type: Type.Literal('contribution_request'),
    ...Correlation,
    goal: Sha256Hex,
    contributions: Type.Array(Sha256Hex, { minItems: 1, maxItems: LIMITS.contributionsPerRequest }),
  },
  closed,
)
export type ContributionRequest = Static<typeof ContributionRequest>

/** Those that the peer has, in the order of the request, as many as fit a frame. */
export const ContributionResponse = Type.Object(
  {
    type: Type.Literal('contribution_response'),
    ...Correlation,
    contributions: Type.Array(
      Type.Object({ contribution: Contribution, pack: ContributionPack, result: ContributionResult }, closed),
      { maxItems: LIMITS.contributionsPerRequest },
    ),
  },
  closed,
)
export type ContributionResponse = Static<typeof ContributionResponse>
