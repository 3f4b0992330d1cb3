import { ClientError } from './errors.ts'
import type { PackageCache } from './package-cache.ts'

/** How packages are kept. */
export interface WebCacheOptions {
  /** Name of the cache; `cytoplex-packages` unless given. */
  readonly name?: string | undefined
  /** 256 unless given. How many bytes there may be is the browser's decision. */
  readonly maxPackages?: number | undefined
  /** Instead of the platform's `caches`. */
  readonly caches?: Pick<CacheStorage, 'open'> | undefined
}

const DEFAULT_PACKAGES = 256

/**
 * Packages in the Cache API, which browsers have in pages of a secure origin, and keep from one visit to the next; the oldest go first. Throws
 * `ClientError` `INVALID_ARGUMENT` where there is none.
 */
export function webCache(options: WebCacheOptions = {}): PackageCache {
  const { name = 'cytoplex-packages', maxPackages = DEFAULT_PACKAGES, caches = globalThis.caches } = options
  // Whatever the types say: it is missing outside of secure origins.
  if ((caches as unknown) === undefined) {
    throw new ClientError('INVALID_ARGUMENT', 'there is no Cache API here: it needs https, or localhost')
  }
  return {
    get: async (digest) => {
      const found = await (await caches.open(name)).match(urlOf(digest))
      return found && new Uint8Array(await found.arrayBuffer())
    },
    set: async (digest, bytes) => {
      const cache = await caches.open(name)
      await cache.put(urlOf(digest), new Response(new Uint8Array(bytes)))
      const keys = await cache.keys()
      for (const oldest of keys.slice(0, Math.max(0, keys.length - maxPackages))) await cache.delete(oldest)
    },
  }
}

/** Keys are requests; `.invalid` is nobody's address (RFC 2606). */
const urlOf = (digest: string): string => `https://cytoplex.invalid/${encodeURIComponent(digest)}`
