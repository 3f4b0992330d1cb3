import { sha256 as pureSha256 } from '@noble/hashes/sha2.js'
import { concatBytes, toHex } from '../kernel/base/bytes.ts'
import {
  type Downloadable,
  type DownloadOptions,
  type DownloadPart,
  downloadParts,
  type IncrementalHash,
} from './download.ts'
import type { PackageCache } from './package-cache.ts'
import type { Transport } from './transport.ts'

/** Packages by digest, from a cache or from nodes, verified in either case. */
export interface Packages {
  /** Whole; kept in the cache from then on. */
  read(cell: Downloadable, options?: DownloadOptions): Promise<Uint8Array>
  /** Part by part; never kept, because nobody has all of it. */
  parts(cell: Downloadable, options?: DownloadOptions): AsyncIterable<DownloadPart>
}

export function packagesOf(
  transport: Transport,
  cache: PackageCache | undefined,
  newHash: () => IncrementalHash = () => pureSha256.create(),
): Packages {
  const kept = async (cell: Downloadable, { onProgress, signal }: DownloadOptions): Promise<Uint8Array | undefined> => {
    signal?.throwIfAborted()
    const bytes = await attempt(() => cache?.get(cell.digest))
    signal?.throwIfAborted()
    if (bytes === undefined || !isPackage(bytes, cell, newHash())) return undefined
    onProgress?.({ transferred: bytes.length, total: bytes.length })
    return bytes
  }
  return {
    read: async (cell, options = {}) => {
      const found = await kept(cell, options)
      if (found !== undefined) return found
      const bytes = await collect(downloadParts(transport, cell, newHash, options))
      await attempt(() => cache?.set(cell.digest, bytes))
      return bytes
    },
    parts: async function* (cell, options = {}) {
      const bytes = await kept(cell, options)
      if (bytes === undefined) yield* downloadParts(transport, cell, newHash, options)
      else if (bytes.length > 0) yield { kind: 'bytes', bytes }
    },
  }
}

/** A cache saves time: one that is full or broken must not cost the package. */
async function attempt<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch {
    return undefined
  }
}

function isPackage(bytes: Uint8Array, { digest, size_bytes: size }: Downloadable, hash: IncrementalHash): boolean {
  if (size !== undefined && size !== bytes.length) return false
  hash.update(bytes)
  return digest === `sha256:${toHex(hash.digest())}`
}

async function collect(parts: AsyncIterable<DownloadPart>): Promise<Uint8Array> {
  let received: Uint8Array[] = []
  for await (const part of parts) {
    if (part.kind === 'bytes') received.push(part.bytes)
    else received = []
  }
  return concatBytes(received)
}
