import type { SignatureContext } from '../../../protocol/contexts.ts'
import { concatBytes, fromBase64Url, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** What is signed, and the check of a signature over it. Browser-safe. */

/**
 * The bytes that a signature covers: `cytoplex/<network>/<context>/v1\n`, then the RFC 8785 bytes of `object` without its
 * `signature` property. Throws `TypeError` when the object has no canonical form.
 */
export function signedBytes(network: string, context: SignatureContext, object: object): Uint8Array {
  return signedText(network, context, utf8(canonicalJson({ ...object, signature: undefined })))
}

/** The same where the RFC 8785 bytes are there already: of an object without `signature`. */
export const signedText = (network: string, context: SignatureContext, bytes: Uint8Array): Uint8Array =>
  concatBytes([utf8(`cytoplex/${network}/${context}/v1\n`), bytes])

/**
 * True when `signature` (base64url) is an Ed25519 signature by `publicKey` over {@link signedBytes}. The object may carry its
 * own `signature` property; it is not looked at. False for malformed keys and signatures; throws `TypeError` when the object
 * has no canonical form, which parsed strict JSON always has.
 */
export function verifyObject(
  verifier: SignatureVerifier,
  publicKey: Uint8Array,
  network: string,
  context: SignatureContext,
  object: object,
  signature: string,
): boolean {
  const bytes = decoded(signature)
  return bytes !== undefined && verifier.ed25519(publicKey, signedBytes(network, context, object), bytes)
}

/** Bytes of base64url; undefined when the text is not that. */
export function decoded(text: string): Uint8Array | undefined {
  try {
    return fromBase64Url(text)
  } catch {
    return undefined
  }
}
