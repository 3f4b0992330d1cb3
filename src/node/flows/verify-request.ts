import { type RequestTarget, verifyRequestLater } from '../../kernel/identity/quantum-signature.ts'
import { pooledVerifier } from '../../kernel/identity/verify.ts'
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
  const { key, nonce } = await verifyRequestLater(pooledVerifier, config.network.name, token, addressed, clock.now())
  await nonces.use(key, nonce)
  return key
}
