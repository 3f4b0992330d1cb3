import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { SignedYank } from '../../../protocol/yank.ts'
import { checkerOf } from '../base/checker.ts'
import { ProviderError } from '../base/errors.ts'
import { decodeToken, encodeToken, type TokenKind, verifyPublisherSignature } from './publisher-signature.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** The tokens with which publishers yank their cells. Browser-safe. */

const schema = checkerOf(SignedYank)
const YANK_TOKEN: TokenKind<SignedYank> = {
  prefix: 'ys1.',
  name: 'yank',
  maxLength: LIMITS.yankTokenBytes,
  schema,
}

/** The token of a signed yank: `ys1.` and the base64url of its RFC 8785 bytes. */
export const encodeYankToken = (signed: SignedYank): string => encodeToken(YANK_TOKEN, signed)

/** The content of a yank token. Throws `ProviderError` `PROV_001`. */
export function decodeYankToken(token: string): SignedYank {
  const signed = decodeToken(YANK_TOKEN, token)
  const { yanked, reason } = signed.record
  if (!yanked && reason === 'compromised') {
    throw new ProviderError('PROV_001', 'yank.record undoes a yank as compromised, which cannot be undone')
  }
  return signed
}

/** Verifies that the publisher that a yank names signed it. Throws `ProviderError` `PROV_005`. Whether the cell is that publisher's is not in it. */
export function verifyYank(verifier: SignatureVerifier, network: string, { record, ...signature }: SignedYank): void {
  verifyPublisherSignature(verifier, network, { what: 'yank', context: CONTEXTS.yank, object: record }, signature)
}
