import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Role, RoleCertificate } from '../../../protocol/rpc.ts'
import { isStrictPublicKey } from './ed25519-encoding.ts'
import { publicKeyOf } from './ids.ts'
import { decoded, verifyObject } from './signed.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** Certificates of role keys, as anybody verifies them. Browser-safe. */

/** What a certificate must say to be believed. */
export interface RoleExpectation {
  /** The node that it must belong to; its key is inside its id. */
  readonly providerId: string
  readonly role: Role
  /** Unix milliseconds. */
  readonly now: number
}

/**
 * The raw role key of a certificate that belongs to `providerId`, is for `role`, is in force at `now` (clocks may differ by
 * `LIMITS.clockSkewMs`), and is signed by that node. Throws `Error` with the reason otherwise. The caller has checked the shape.
 */
export function verifyRoleCertificate(
  verifier: SignatureVerifier,
  network: string,
  certificate: RoleCertificate,
  { providerId, role, now }: RoleExpectation,
): Uint8Array {
  if (certificate.provider_id !== providerId) {
    throw refused(`belongs to ${certificate.provider_id}, expected ${providerId}`)
  }
  if (certificate.role !== role) throw refused(`is for the role ${certificate.role}, expected ${role}`)
  if (certificate.not_before > now + LIMITS.clockSkewMs) {
    throw refused(`is not in force before ${certificate.not_before}, now is ${now}`)
  }
  if (certificate.not_after < now - LIMITS.clockSkewMs) {
    throw refused(`expired at ${certificate.not_after}, now is ${now}`)
  }
  const publicKey = decoded(certificate.public_key)
  if (publicKey === undefined || !isStrictPublicKey(publicKey)) throw refused('holds no valid Ed25519 key')
  const { signature } = certificate
  const identity = publicKeyOf(providerId)
  if (!verifyObject(verifier, identity, network, CONTEXTS.roleCertificate, certificate, signature)) {
    throw refused(`is not signed by ${providerId} for the network ${network}`)
  }
  return publicKey
}

const refused = (reason: string): Error => new Error(`the role certificate ${reason}`)
