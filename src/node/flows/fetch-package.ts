import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { merkleRoot } from '../../kernel/base/merkle.ts'
import type { PackageSource } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { type Described, type OnKept, PackageTransfer } from './package-transfer.ts'

type Parts = Pick<NodeParts, 'blobs' | 'cache' | 'network' | 'offerVerifier' | 'trust' | 'logger' | 'events'>

/** Milliseconds that a peer may take to say what a package is made of. */
const DESCRIBE_MS = 10_000

/** Asks a peer what a package is made of. Throws when the peer does not hold it, or what it says does not verify. */
async function describePackage(
  parts: Parts,
  provider: string,
  digest: string,
  cellId: string | undefined,
): Promise<Described> {
  const answer = await parts.network.request(
    provider,
    'package_request',
    { digest, ...(cellId === undefined ? {} : { cell_id: cellId }) },
    { signal: AbortSignal.timeout(DESCRIBE_MS) },
  )
  if (answer.cell === undefined || answer.chunks === undefined) throw new Error(`${provider} does not hold ${digest}`)
  const offer = await parts.offerVerifier.verify(answer.cell)
  const { package: ref, publisher } = offer.manifest
  if (ref.digest !== digest) throw new Error(`${provider} answered with another package, ${ref.digest}`)
  if (!parts.trust.accepts(publisher)) throw new Error(`this node does not take cells of the publisher ${publisher}`)
  const chunks = fromBase64Url(answer.chunks)
  const leaves = Array.from({ length: Math.ceil(ref.size / LIMITS.chunkBytes) }, (_, i) =>
    chunks.subarray(i * 32, i * 32 + 32),
  )
  if (chunks.length !== leaves.length * 32 || toHex(merkleRoot(leaves)) !== ref.chunks_root) {
    throw new Error(`${provider} sent chunk digests that are not those of the manifest`)
  }
  return { provider, offer, leaves }
}

/** Fetches packages from peers, each once, however many readers wait for it. */
export class PackageFetcher {
  readonly #parts: Parts
  readonly #onKept: OnKept
  readonly #running = new Map<string, Promise<PackageTransfer>>()

  constructor(parts: Parts, onKept: OnKept) {
    this.#parts = parts
    this.#onKept = onKept
  }

  /**
   * Opens a package that the first of `providers` who holds it sends, as the cell `cellId` where that is known. Throws `PROV_002` when none does; undefined when a transfer that this
   * call joined ended meanwhile.
   */
  async open(digest: string, providers: readonly string[], cellId?: string): Promise<PackageSource | undefined> {
    let fetch = this.#running.get(digest)
    if (fetch === undefined) {
      fetch = this.#start(digest, providers, cellId)
      this.#running.set(digest, fetch)
      fetch.catch(() => this.#running.delete(digest))
    }
    const running = await fetch
    // It may have ended while this waited: then the package is here, or has to be fetched again.
    return running.joinable ? running.source() : undefined
  }

  async #start(digest: string, providers: readonly string[], cellId: string | undefined): Promise<PackageTransfer> {
    const described = await this.#describe(digest, providers, cellId)
    const transfer = new PackageTransfer(this.#parts, described, providers, this.#parts.blobs.create(), this.#onKept)
    // The first reader must be counted before the fetch can end.
    setImmediate(() => void this.#run(transfer))
    return transfer
  }

  async #run(transfer: PackageTransfer): Promise<void> {
    await transfer.run()
    this.#running.delete(transfer.digest)
    await transfer.closeWhenUnused()
  }

  async #describe(digest: string, providers: readonly string[], cellId: string | undefined): Promise<Described> {
    for (const provider of providers) {
      try {
        return await describePackage(this.#parts, provider, digest, cellId)
      } catch (error) {
        this.#parts.logger.info({ provider, digest, reason: errorMessage(error) }, 'a peer did not describe a package')
      }
    }
    throw new ProviderError('PROV_002', `nobody that this node knows holds the package ${digest}`)
  }
}
