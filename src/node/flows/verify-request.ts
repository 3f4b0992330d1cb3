import { type RequestTarget, verifyRequest } from '../../kernel/identity/quantum-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { NodeParts } from '../parts.ts'

/**
 * Provider API, `quantum_signature`: that one key made this request, for this node, now, and once. Resolves with the key's pseudonym when its
 * nonce is durably used up. Throws `PROV_004`, and `PROV_013` when no further nonce can be remembered.
 */
export async function verifySignedRequest(
  { config, keys, clock, nonces }: Pick<NodeParts, 'config' | 'keys' | 'clock' | 'nonces'>,
  token: string,
  target: Omit<RequestTarget, 'audience'>,
): Promise<string> {
  const addressed = { ...target, audience: keys.providerId }
  const { key, nonce } = verifyRequest(nativeVerifier, config.network.name, token, addressed, clock.now())
  await nonces.use(key, nonce)
  return key
}
