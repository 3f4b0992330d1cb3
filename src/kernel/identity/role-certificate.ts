import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { Role, RoleCertificate } from '../../../protocol/rpc.ts'
import { toBase64Url } from '../base/bytes.ts'
import { providerIdOf } from './ids.ts'
import { type SigningKey, signObject } from './keys.ts'

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
