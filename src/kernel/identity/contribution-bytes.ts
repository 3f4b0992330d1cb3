import type { ContributionPack } from '../../../protocol/contribution.ts'
import { utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'

/** What is hashed about contributions to goals; with which SHA-256 is for the caller to say. Browser-safe. */

/** What a pack's hash is over: version and parameters, each behind its length, so that no two packs have the same bytes. */
export function packBytes(version: string, parameters: Uint8Array): Uint8Array {
  const parts = [utf8(version), parameters]
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 8 + part.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of parts) {
    // No part has as many bytes as the upper half could say.
    view.setUint32(at + 4, part.length)
    bytes.set(part, at + 8)
    at += 8 + part.length
  }
  return bytes
}

/** What the hash of a pack's metadata and proofs is over; undefined where it has neither. */
export function extrasText({ metadata, proofs }: Pick<ContributionPack, 'metadata' | 'proofs'>): string | undefined {
  return metadata === undefined && proofs === undefined ? undefined : canonicalJson({ metadata, proofs })
}

/** What the proof of work is over; the signature is no part of it. */
export const workText = (network: string, contribution: object): string =>
  `cytoplex/${network}/contribution-work/v1\n${canonicalJson({ ...contribution, signature: undefined })}`

/** How many bits of a hash are zero before the first one that is not. */
export function leadingZeros(hash: Uint8Array): number {
  let bits = 0
  for (const byte of hash) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24
    bits += 8
  }
  return bits
}
