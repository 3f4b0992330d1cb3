import { type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { ed25519PrivateKey, ed25519PublicKey } from './key-encoding.ts'

/** JSON Web Tokens (RFC 7519) with EdDSA (RFC 8037): what a node gives to others so that it recognises them. */

/** Signs tokens. The private key stays inside. */
export interface JwtSigner {
  /** `type` is the header's `typ`: a token of one kind is not taken for another. */
  sign(type: string, claims: JWTPayload): Promise<string>
}

/** The signer of a 32-byte seed. */
export function jwtSigner(seed: Uint8Array): JwtSigner {
  const key = ed25519PrivateKey(seed)
  return { sign: (typ, claims) => new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', typ }).sign(key) }
}

/** What a token must say to be believed. */
export interface JwtExpectation {
  readonly type: string
  readonly issuer: string
  readonly audience: string
  /** Unix milliseconds. */
  readonly now: number
}

/** The claims of a token that `publicKey` (raw Ed25519) signed, that is of this kind and in force. Rejects otherwise. */
export async function verifyJwt(
  publicKey: Uint8Array,
  token: string,
  { type, issuer, audience, now }: JwtExpectation,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, ed25519PublicKey(publicKey), {
    algorithms: ['EdDSA'],
    typ: type,
    issuer,
    audience,
    requiredClaims: ['exp', 'sub'],
    currentDate: new Date(now),
  })
  return payload
}
