import type { PackageCache } from './package-cache.ts'

/** Bytes: some dozens of usual modules. */
const DEFAULT_BYTES = 64 * 1024 * 1024

/** Packages in memory, at most `maxBytes` of them (64 MiB unless given); those that were used longest ago go first. */
export function memoryCache({
  maxBytes = DEFAULT_BYTES,
}: {
  readonly maxBytes?: number | undefined
} = {}): PackageCache {
  const kept = new Map<string, Uint8Array>()
  let total = 0
  const remove = (digest: string): void => {
    total -= kept.get(digest)?.length ?? 0
    kept.delete(digest)
  }
  const add = (digest: string, bytes: Uint8Array): void => {
    kept.set(digest, bytes)
    total += bytes.length
  }
  return {
    get: (digest) => {
      const bytes = kept.get(digest)
      if (bytes === undefined) return undefined
      remove(digest)
      add(digest, bytes)
      // The caller's bytes are the caller's to change.
      return bytes.slice()
    },
    set: (digest, bytes) => {
      remove(digest)
      if (bytes.length > maxBytes) return
      add(digest, bytes.slice())
      for (const oldest of kept.keys()) {
        if (total <= maxBytes) return
        remove(oldest)
      }
    },
  }
}
