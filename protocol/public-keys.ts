import { type Static, Type } from 'typebox'
import { Base64Url } from './fields.ts'
import { RoleCertificate } from './roles.ts'

/** The keys that proofs of answers are signed with ("API Contracts", section 7.2). */

/** An Ed25519 key (RFC 8037). */
export const ProofJwk = Type.Object(
  {
    kty: Type.Literal('OKP'),
    crv: Type.Literal('Ed25519'),
    alg: Type.Literal('EdDSA'),
    use: Type.Literal('sig'),
    /** Thumbprint (RFC 7638, SHA-256). */
    kid: Base64Url,
    x: Base64Url,
    /** Unix seconds between which the key signs; times of its proofs lie between them. */
    nbf: Type.Integer({ minimum: 0 }),
    exp: Type.Integer({ minimum: 0 }),
    /** That the key is the node's, and from when to when: role `proof`. */
    certificate: RoleCertificate,
  },
  { title: 'ProofJwk' },
)
export type ProofJwk = Static<typeof ProofJwk>

/** `GET /.well-known/public-keys.json`: a JWK set (RFC 7517) with the key that signs now first, then those before it, the newest first. */
export const PublicKeys = Type.Object({ keys: Type.Array(ProofJwk) }, { title: 'PublicKeys' })
export type PublicKeys = Static<typeof PublicKeys>

/** Answer to `POST /api/v1/proof-keys/rotate`. */
export const ProofKeyRotated = Type.Object(
  {
    current: ProofJwk,
    /** Signs no longer, and stays listed; null where there was none. */
    retired: Type.Union([ProofJwk, Type.Null()]),
  },
  { title: 'ProofKeyRotated' },
)
export type ProofKeyRotated = Static<typeof ProofKeyRotated>
