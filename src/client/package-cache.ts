/**
 * Keeps packages by digest. What it gives is verified each time, so that it need not be trusted; when it fails, the package comes from a node.
 * `memoryCache`, `webCache` and, of `cytoplex/client/file-cache`, `fileCache` are caches; so is anything else of this form.
 */
export interface PackageCache {
  /** The bytes that were kept as `sha256:<hex>`. */
  get(digest: string): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** Keeps bytes. They were verified. */
  set(digest: string, bytes: Uint8Array): void | Promise<void>
}
