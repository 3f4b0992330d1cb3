import { sha256 } from '@noble/hashes/sha2.js'
import type { ProofJwk } from '../../../protocol/public-keys.ts'
import type { RoleCertificate } from '../../../protocol/roles.ts'
import { toBase64Url, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'

/** Certified keys as JSON Web Keys. Browser-safe. */

const SECOND_MS = 1000

/** RFC 7638 thumbprint of an Ed25519 key, which is given in base64url. */
export const keyThumbprint = (publicKey: string): string =>
  toBase64Url(sha256(utf8(canonicalJson({ crv: 'Ed25519', kty: 'OKP', x: publicKey }))))

/** The certified key as a JWK. Certificates of proof keys begin and end with whole seconds. */
export const proofJwk = (certificate: RoleCertificate): ProofJwk => ({
  kty: 'OKP',
  crv: 'Ed25519',
  alg: 'EdDSA',
  use: 'sig',
  kid: keyThumbprint(certificate.public_key),
  x: certificate.public_key,
  nbf: certificate.not_before / SECOND_MS,
  exp: certificate.not_after / SECOND_MS,
  certificate,
})
