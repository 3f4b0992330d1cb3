import type { ContributionPack } from '../../../protocol/contribution.ts'
import { concatBytes, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'

/** What is hashed about contributions to goals; with which SHA-256 is for the caller to say. Browser-safe. */

/** What a pack's hash is over: version and parameters, each behind its length, so that no two packs have the same bytes. */
export function packBytes(version: string, parameters: Uint8Array): Uint8Array {
  return concatBytes([utf8(version), parameters].flatMap((part) => [u64(part.length), part]))
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

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
