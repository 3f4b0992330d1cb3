import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { type Receipt, SignedReceipt } from '../../../protocol/receipt.ts'
import type { RoleCertificate } from '../../../protocol/rpc.ts'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, ProviderError } from '../base/errors.ts'
import { type SigningKey, signObject } from './keys.ts'
import { decodeToken, encodeToken, type TokenKind } from './publisher-signature.ts'
import { verifyRoleCertificate } from './roles.ts'
import { verifyObject } from './signed.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** The tokens with which nodes tell each other which providers they reached. */

const schema = checkerOf(SignedReceipt)
const RECEIPT_TOKEN: TokenKind<SignedReceipt> = {
  prefix: 'rc1.',
  name: 'receipt',
  maxLength: LIMITS.receiptTokenBytes,
  schema,
}

/** The token of a receipt, signed by the prober's wire key. */
export function signReceipt(
  wire: { readonly key: SigningKey; readonly certificate: RoleCertificate },
  network: string,
  receipt: Receipt,
): string {
  const signature = signObject(wire.key, network, CONTEXTS.receipt, receipt)
  return encodeToken(RECEIPT_TOKEN, { receipt, certificate: wire.certificate, signature })
}

/**
 * The receipt of a token, whose prober signed it. Throws `ProviderError`: `PROV_001` for what cannot be read, `PROV_005` for what does not hold.
 * `now` is Unix milliseconds. Whether the receipt still counts is for whoever counts it.
 */
export function verifyReceipt(verifier: SignatureVerifier, network: string, token: string, now: number): Receipt {
  const { receipt, certificate, signature } = decodeToken(RECEIPT_TOKEN, token)
  const { prober, provider } = receipt
  if (prober === provider) throw invalid('is by the provider that it is about')
  let key: Uint8Array
  try {
    key = verifyRoleCertificate(verifier, network, certificate, { providerId: prober, role: 'wire', now })
  } catch (error) {
    throw invalid(`cannot be verified: ${errorMessage(error)}`)
  }
  if (!verifyObject(verifier, key, network, CONTEXTS.receipt, receipt, signature)) {
    throw invalid(`is not signed by ${prober} for the network ${network}`)
  }
  return receipt
}

const invalid = (reason: string): ProviderError => new ProviderError('PROV_005', `the receipt ${reason}`)
