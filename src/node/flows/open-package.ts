import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { unlessAborted } from '../../kernel/base/racing.ts'
import type { PackageSource } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import type { PackageFetcher } from './fetch-package.ts'
import { readAhead } from './package-source.ts'

type Parts = Pick<NodeParts, 'blobs' | 'index' | 'cache' | 'offers' | 'directory' | 'partners' | 'receipts' | 'network'>

/** `sha256:` and 64 hexadecimal digits. */
const DIGEST = /^sha256:[0-9a-f]{64}$/

/**
 * Opens a package to be read: the one that is here, else the one that a peer holds, pulled through. Throws `PROV_001` for a digest of
 * another form and `PROV_002` when nobody known holds the package.
 */
export async function openPackage(
  parts: Parts,
  fetcher: Pick<PackageFetcher, 'open'>,
  digest: string,
  signal?: AbortSignal,
): Promise<PackageSource> {
  if (!DIGEST.test(digest))
    throw new ProviderError('PROV_001', `"${digest.slice(0, 80)}" is no digest: sha256: and 64 hexadecimal digits`)
  while (true) {
    const source = (await openHere(parts, digest)) ?? (await openElsewhere(parts, fetcher, digest, signal))
    if (source !== undefined) return source
  }
}

/** A package of the own store; undefined when it is not here. */
export async function openHere(
  parts: Pick<Parts, 'blobs' | 'index' | 'cache'>,
  digest: string,
): Promise<PackageSource | undefined> {
  const hex = digest.slice('sha256:'.length)
  const record = parts.index.package(hex)
  if (record === undefined) return undefined
  const reader = await parts.blobs.open(hex)
  if (reader === undefined) return undefined
  parts.cache.touch(hex)
  return {
    digest,
    size: record.size,
    complete: true,
    read: (start, end) =>
      readAhead(
        (...at) => reader.read(...at),
        start,
        end,
        () => undefined,
      ),
    close: () => reader.close(),
  }
}

/** A reader who leaves while peers are asked does not keep the package from coming: others may wait for it. */
async function openElsewhere(
  parts: Parts,
  fetcher: Pick<PackageFetcher, 'open'>,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<PackageSource | undefined> {
  const opening = fetcher.open(digest, holders(parts, digest), parts.offers.offerOf(digest)?.id)
  if (signal === undefined) return await opening
  try {
    return await unlessAborted(opening, signal)
  } catch (error) {
    if (signal.aborted) opening.then((source) => source?.close()).catch(() => undefined)
    throw error
  }
}

/** Who may hold a package: those who offered it, those who announce its cell, and whoever is connected. */
export function holders(
  {
    offers,
    directory,
    partners,
    receipts,
    network,
  }: Pick<Parts, 'offers' | 'directory' | 'partners' | 'receipts' | 'network'>,
  digest: string,
): string[] {
  const providers = new Set(offers.providersOf(digest))
  const offer = offers.offerOf(digest)
  if (offer !== undefined) {
    for (const { provider, cell } of directory.find('cell_type', offer.manifest.cell_type)) {
      if (cell.manifest_digest === offer.id) providers.add(provider)
    }
  }
  for (const { providerId } of network.connectedPeers()) providers.add(providerId)
  const trusted = [...providers].filter((provider) => !partners.isUntrusted(provider))
  // Whoever was not reached lately is asked last; the others in the order in which they became known.
  const isLost = (provider: string): number => Number(receipts.reachable(provider) === false)
  return trusted.sort((a, b) => isLost(a) - isLost(b)).slice(0, LIMITS.askBudget)
}
