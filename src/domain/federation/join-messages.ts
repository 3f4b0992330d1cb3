import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { RoleCertificate } from '../../../protocol/rpc.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { RoleKey } from '../../kernel/identity/key-directory.ts'
import { signObject, verifyObject } from '../../kernel/identity/keys.ts'
import { verifyRoleCertificate } from '../../kernel/identity/roles.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'

/** What every message of joining says about who speaks, to whom. */
interface Spoken {
  readonly provider_id: string
  readonly audience: string
  readonly certificate: RoleCertificate
  readonly signature: string
}

/** Signs a message by a node's token key, which its identity certifies. */
export function signMessage<Body extends object>(
  token: RoleKey,
  network: string,
  body: Body,
): Body & { certificate: RoleCertificate; signature: string } {
  const message = { ...body, certificate: token.certificate }
  return { ...message, signature: signObject(token.key, network, CONTEXTS.partner, message) }
}

/**
 * Checks that a message is meant for `audience`, and signed by a token key that the node which it names has certified. Throws `PROV_011`. The
 * caller has checked its shape.
 */
export function checkMessage(network: string, message: Spoken, audience: string, now: number): void {
  const { provider_id: providerId, certificate, signature } = message
  if (message.audience !== audience) throw refused(`it is meant for ${message.audience}, this is ${audience}`)
  let key: Uint8Array
  try {
    key = verifyRoleCertificate(nativeVerifier, network, certificate, { providerId, role: 'token', now })
  } catch (error) {
    throw refused(errorMessage(error))
  }
  if (!verifyObject(nativeVerifier, key, network, CONTEXTS.partner, message, signature)) {
    throw refused(`it is not signed by ${providerId} for the network ${network}`)
  }
}

const refused = (reason: string): ProviderError => new ProviderError('PROV_011', `the message is refused: ${reason}`)
