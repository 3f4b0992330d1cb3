import { type Static, Type } from 'typebox'
import { ErrorBody } from './cells.ts'
import { Base64Url, Name, ProviderId, SemVer, Sha256Hex, Timestamp } from './fields.ts'
import { RoleCertificate } from './roles.ts'

/** Limits of the federation, each with its unit and its reason. */
export const FEDERATION_LIMITS = {
  /** Partners of a node: all are in memory, because every request may concern one. */
  partners: 1000,
  /** Invitations that are open at a time. */
  invitations: 100,
  /** Milliseconds that an invitation may be used (SECURITY 24). */
  invitationMs: 10 * 60 * 1000,
  /** Wrong proofs after which an invitation is locked. */
  wrongProofs: 5,
  /** Milliseconds that a federation token holds. Removing the partner ends it at once. */
  tokenMs: 365 * 24 * 60 * 60 * 1000,
  /** Characters of a federation token: those of other providers may be longer than ours. */
  token: 4096,
  /** Additions of partners that wait for an answer: each keeps a secret in memory. */
  pending: 16,
  /** Capabilities of a partner that the status names. */
  capabilities: 100,
} as const

const closed = { additionalProperties: false } as const

/** What a partner is called here: the provider id of our own nodes, whatever others call themselves. */
export const PartnerId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
  examples: ['12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'],
})
export const PartnerUrl = Type.String({ pattern: '^https?://[^\\s/?#@]+(/[^\\s?#]*)?$', maxLength: 2048 })
const PartnerName = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })
const Line = Type.String({ maxLength: 256 })
const FederationToken = Type.String({ minLength: 1, maxLength: FEDERATION_LIMITS.token, pattern: '^[!-~]*$' })

/**
 * `trusted`: what its own publisher signs counts as known. `limited`: like every node. `untrusted`: nothing is accepted from it. The operator's
 * choice, never the partner's.
 */
export const TrustLevel = Type.Union([Type.Literal('trusted'), Type.Literal('limited'), Type.Literal('untrusted')])
export type TrustLevel = Static<typeof TrustLevel>

/**
 * `auto_forward`: the partner is asked where nobody announces a cell that fits. `capability_sharing`: it is told what this node has.
 * `analytics_sharing`: it may read this node's sums.
 */
export const FederationPolicies = Type.Object({
  auto_forward: Type.Boolean(),
  capability_sharing: Type.Boolean(),
  analytics_sharing: Type.Boolean(),
})
export type FederationPolicies = Static<typeof FederationPolicies>

export const ContactInfo = Type.Object({
  organization: Type.Optional(Line),
  email: Type.Optional(Line),
  phone: Type.Optional(Line),
})
export type ContactInfo = Static<typeof ContactInfo>

/** What an operator decides about a partner. */
const terms = {
  trust_level: Type.Optional(TrustLevel),
  federation_policies: Type.Optional(Type.Partial(FederationPolicies)),
}

/** Provider API, "Add Federation Partner". With an invitation as `shared_secret` the two nodes introduce themselves, and only `url` is needed. */
export const PartnerAddition = Type.Object(
  {
    provider_id: Type.Optional(PartnerId),
    name: Type.Optional(PartnerName),
    url: PartnerUrl,
    contact_info: Type.Optional(ContactInfo),
    ...terms,
    shared_secret: Type.String({ minLength: 1, maxLength: 1024, description: 'Used once, never stored.' }),
    partner_token: Type.Optional(
      Type.String({ ...FederationToken, description: 'Added: the token that this node presents to the partner.' }),
    ),
    own_url: Type.Optional(
      Type.String({
        ...PartnerUrl,
        description: 'Added: where the partner reaches this node; else `http.public_url`.',
      }),
    ),
  },
  { title: 'PartnerAddition' },
)
export type PartnerAddition = Static<typeof PartnerAddition>

/** Provider API, answer to "Add Federation Partner". */
export const PartnerAdded = Type.Object(
  {
    status: Type.Union([Type.Literal('success'), Type.Literal('pending'), Type.Literal('error')]),
    partner_id: PartnerId,
    federation_token: Type.Optional(FederationToken),
    message: Type.String(),
    error: Type.Optional(ErrorBody),
  },
  { title: 'PartnerAdded' },
)
export type PartnerAdded = Static<typeof PartnerAdded>

/** Body of `PATCH /api/v1/federation/partners/{provider_id}`: what is left out stays as it is. */
export const PartnerChange = Type.Object(
  {
    name: Type.Optional(PartnerName),
    url: Type.Optional(PartnerUrl),
    contact_info: Type.Optional(ContactInfo),
    ...terms,
    partner_token: Type.Optional(FederationToken),
  },
  { ...closed, minProperties: 1, title: 'PartnerChange' },
)
export type PartnerChange = Static<typeof PartnerChange>

/** A partner. All but id, status and capabilities is for the administrator. */
export const Partner = Type.Object(
  {
    provider_id: PartnerId,
    name: Type.Optional(Type.String()),
    url: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    /** Some of what it announces; none where it is not told what this node has. */
    capabilities: Type.Array(Type.Object({ name: Name, versions: Type.Array(SemVer) }), {
      maxItems: FEDERATION_LIMITS.capabilities,
    }),
    /** Cells that it announces. */
    cell_count: Type.Integer(),
    /** `active`: connected, or it answered last time; `limited`: untrusted, or there is no URL to ask it at; `inactive`: neither. */
    status: Type.Union([Type.Literal('active'), Type.Literal('inactive'), Type.Literal('limited')]),
    trust_level: Type.Optional(TrustLevel),
    federation_policies: Type.Optional(FederationPolicies),
    contact_info: Type.Optional(ContactInfo),
    joined_by: Type.Optional(Type.Union([Type.Literal('invitation'), Type.Literal('document')])),
    added_at: Type.Optional(Timestamp),
  },
  { title: 'FederationPartner' },
)
export type Partner = Static<typeof Partner>

/** Provider API, "Federation Status". The policies are those of partners for whom nothing else was said. */
export const FederationStatus = Type.Object(
  {
    federation_enabled: Type.Boolean(),
    federation_id: Type.String(),
    federation_name: Type.String(),
    federation_partners: Type.Array(Partner),
    federation_policies: FederationPolicies,
    /** For the administrator: additions that wait for the other node. */
    pending_partners: Type.Optional(
      Type.Array(
        Type.Object({
          provider_id: PartnerId,
          url: Type.String(),
          since: Timestamp,
          attempts: Type.Integer(),
          last_error: Type.String(),
        }),
      ),
    ),
  },
  { title: 'FederationStatus' },
)
export type FederationStatus = Static<typeof FederationStatus>

/** Body of `POST /api/v1/federation/invitations`: what whoever uses the invitation may do. */
export const InvitationTerms = Type.Object(
  {
    ...terms,
    private_url: Type.Optional(
      Type.Boolean({ description: "Whether the partner's own URL may be a private or loopback address." }),
    ),
  },
  { ...closed, title: 'InvitationTerms' },
)
export type InvitationTerms = Static<typeof InvitationTerms>

/** Answer to it: the only time that the invitation is shown. */
export const InvitationCreated = Type.Object(
  {
    invitation: Type.String({ description: '`ci1.<provider id>.<secret>`: the `shared_secret` for the other node.' }),
    provider_id: ProviderId,
    url: Type.Union([Type.String(), Type.Null()]),
    expires_at: Timestamp,
  },
  { title: 'InvitationCreated' },
)
export type InvitationCreated = Static<typeof InvitationCreated>

/** Provider API, "Forward Request". */
export const ForwardRequest = Type.Object(
  {
    request_id: Type.String({ minLength: 1, maxLength: 128 }),
    target_provider_id: PartnerId,
    /** A capability or specific request. */
    original_request: Type.Record(Type.String(), Type.Unknown()),
    reason: Type.Optional(Type.String({ maxLength: 1024 })),
    federation_token: Type.Optional(FederationToken),
    quantum_signature: Type.Optional(
      Type.String({ maxLength: 16384, description: 'The proof of a token that is bound to a key.' }),
    ),
  },
  { title: 'ForwardRequest' },
)
export type ForwardRequest = Static<typeof ForwardRequest>

/** Provider API, answer to "Forward Request". */
export const ForwardResponse = Type.Object(
  {
    status: Type.Union([Type.Literal('forwarded'), Type.Literal('rejected'), Type.Literal('error')]),
    forwarded_request_id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    message: Type.String(),
    error: Type.Optional(ErrorBody),
  },
  { title: 'ForwardResponse' },
)
export type ForwardResponse = Static<typeof ForwardResponse>

/** Provider API, answer to "Remove Federation Partner". */
export const PartnerRemoved = Type.Object(
  {
    status: Type.Union([Type.Literal('success'), Type.Literal('error')]),
    message: Type.String(),
    error: Type.Optional(ErrorBody),
  },
  { title: 'PartnerRemoved' },
)
export type PartnerRemoved = Static<typeof PartnerRemoved>

const Nonce = Type.String({ pattern: '^[A-Za-z0-9_-]{22}$', description: '16 random bytes.' })

/** What a node says about itself to a partner. */
export const Introduction = Type.Object(
  {
    name: PartnerName,
    url: Type.Union([PartnerUrl, Type.Null()]),
    publisher: Sha256Hex,
    addresses: Type.Array(Type.String({ maxLength: 512 }), { maxItems: 16 }),
  },
  closed,
)
export type Introduction = Static<typeof Introduction>

/** Fields that every message of joining has: who speaks, to whom, with which token key. */
const speaker = { provider_id: ProviderId, audience: ProviderId, certificate: RoleCertificate, signature: Base64Url }

/** Joining, first step: who holds an invitation asks for a challenge. Every message is signed (context `partner`). */
export const JoinHello = Type.Object(
  {
    type: Type.Literal('join_hello'),
    ...speaker,
    invitation: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    nonce: Nonce,
  },
  { ...closed, title: 'JoinHello' },
)
export type JoinHello = Static<typeof JoinHello>

export const JoinChallenge = Type.Object(
  { type: Type.Literal('join_challenge'), ...speaker, joiner_nonce: Nonce, nonce: Nonce },
  { ...closed, title: 'JoinChallenge' },
)
export type JoinChallenge = Static<typeof JoinChallenge>

/** Second step: the proof of the invitation (HMAC-SHA-256), who the joiner is, and the token that the inviter presents there. */
export const JoinProof = Type.Object(
  {
    type: Type.Literal('join_proof'),
    ...speaker,
    invitation: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    nonce: Nonce,
    inviter_nonce: Nonce,
    proof: Base64Url,
    introduction: Introduction,
    token: FederationToken,
  },
  { ...closed, title: 'JoinProof' },
)
export type JoinProof = Static<typeof JoinProof>

/** The same in the other direction. */
export const JoinWelcome = Type.Object(
  {
    type: Type.Literal('join_welcome'),
    ...speaker,
    nonce: Nonce,
    joiner_nonce: Nonce,
    proof: Base64Url,
    introduction: Introduction,
    token: FederationToken,
  },
  { ...closed, title: 'JoinWelcome' },
)
export type JoinWelcome = Static<typeof JoinWelcome>

export const JoinRequest = Type.Union([JoinHello, JoinProof])
export type JoinRequest = Static<typeof JoinRequest>
