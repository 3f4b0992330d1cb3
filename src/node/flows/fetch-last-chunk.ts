import { LIMITS } from '../../../protocol/limits.ts'
import { concatBytes, equalBytes } from '../../kernel/base/bytes.ts'
import { leafHash } from '../../kernel/base/merkle.ts'
import type { WantedRange } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'

/**
 * Fetches the last chunk of a package from a provider, or its first `most` bytes where it is larger; nothing is stored. Whether it is what the
 * publisher signed; undefined where it is too large to tell. Throws when less arrives.
 */
export async function fetchLastChunk(
  { network }: Pick<NodeParts, 'network'>,
  provider: string,
  { digest, size }: { readonly digest: string; readonly size: number },
  {
    leaves,
    most,
    signal,
  }: { readonly leaves: readonly Uint8Array[]; readonly most: number; readonly signal: AbortSignal },
): Promise<boolean | undefined> {
  const last = leaves.length - 1
  const length = size - last * LIMITS.chunkBytes
  const wanted = Math.min(length, most)
  const pieces: Uint8Array[] = []
  let received = 0
  const ranges: WantedRange[] = [{ from: last, to: last + 1, bytes: length }]
  for await (const bytes of network.fetchPackage(provider, digest, () => ranges.pop(), { signal })) {
    pieces.push(bytes.slice(0, wanted - received))
    received += pieces.at(-1)!.length
    if (received === wanted) break
  }
  if (received < wanted) throw new Error('the package ended early')
  return wanted < length ? undefined : equalBytes(leafHash(concatBytes(pieces)), leaves[last]!)
}
