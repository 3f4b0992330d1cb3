import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Role, RoleCertificate } from '../../../protocol/rpc.ts'
import { toBase64Url } from '../base/bytes.ts'
import { isStrictPublicKey } from './ed25519-encoding.ts'
import { providerIdOf, publicKeyOf } from './ids.ts'
import { type SigningKey, signObject } from './keys.ts'
import { decoded, verifyObject } from './signed.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** What goes into a certificate. Times are Unix milliseconds. */
export interface RoleGrant {
  /** The node's identity key, which signs. */
  readonly identity: SigningKey
  readonly network: string
  readonly role: Role
  /** The role's Ed25519 key, raw. */
  readonly publicKey: Uint8Array
  /** Rises with every certificate for the role. */
  readonly serial: number
  readonly notBefore: number
  readonly notAfter: number
}

/** What a certificate must say to be believed. */
export interface RoleExpectation {
  /** The node that it must belong to; its key is inside its id. */
  readonly providerId: string
  readonly role: Role
  /** Unix milliseconds. */
  readonly now: number
}

/** Certifies a role key by the node's identity. */
export function issueRoleCertificate(grant: RoleGrant): RoleCertificate {
  const certificate = {
    provider_id: providerIdOf(grant.identity.publicKey),
    role: grant.role,
    public_key: toBase64Url(grant.publicKey),
    serial: grant.serial,
    not_before: grant.notBefore,
    not_after: grant.notAfter,
  }
  const signature = signObject(grant.identity, grant.network, CONTEXTS.roleCertificate, certificate)
  return { ...certificate, signature }
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
