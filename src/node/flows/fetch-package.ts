import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { fromBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { merkleRoot } from '../../kernel/base/merkle.ts'
import { RateCap } from '../../kernel/base/rate-cap.ts'
import type { PackageSource } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import type { ChunkDoors } from './chunk-doors.ts'
import { type Described, PackageTransfer, type TransferOwner } from './package-transfer.ts'
import { Arrivals, TRANSFER_LIMITS } from './transfer-limits.ts'

interface Parts
  extends Pick<
    NodeParts,
    'config' | 'blobs' | 'cache' | 'network' | 'offerVerifier' | 'publishers' | 'trust' | 'logger' | 'events'
  > {
  readonly doors: ChunkDoors
}

/** Peers and packages of which they sent wrong chunks, that are remembered: some 200 bytes each. And for how many milliseconds: a disk may be mended. */
const DISTRUSTED = 10_000
const DISTRUSTED_MS = 600_000
/** Milliseconds that a peer may take to say what a package is made of. */
const DESCRIBE_MS = 10_000

/** Asks a peer what a package is made of. Throws when the peer does not hold it, or what it says does not verify. */
export async function describePackage(
  parts: Pick<Parts, 'config' | 'network' | 'offerVerifier' | 'trust'>,
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
  const offer = await parts.offerVerifier.verify(answer.cell, (publisher) => parts.trust.isPinned(publisher))
  const { package: ref, publisher } = offer.manifest
  if (ref.digest !== digest) throw new Error(`${provider} answered with another package, ${ref.digest}`)
  if (!parts.trust.accepts(publisher)) throw new Error(`this node does not take cells of the publisher ${publisher}`)
  const { max_package_bytes: most } = parts.config.cells
  if (ref.size > most)
    throw new ProviderError('PROV_002', `${digest} has ${ref.size} bytes; this node takes at most ${most}`)
  const leaves = chunkLeaves(ref, answer.chunks)
  if (leaves === undefined) throw new Error(`${provider} sent chunk digests that are not those of the manifest`)
  return { provider, offer, leaves }
}

/** Leaf digests of a package's chunk tree, as a peer sent them (base64url); undefined when they do not add up to what the publisher signed. */
export function chunkLeaves(ref: Manifest['package'], text: string): readonly Uint8Array[] | undefined {
  const chunks = fromBase64Url(text)
  const leaves = Array.from({ length: Math.ceil(ref.size / LIMITS.chunkBytes) }, (_, i) =>
    chunks.subarray(i * 32, i * 32 + 32),
  )
  return chunks.length === leaves.length * 32 && toHex(merkleRoot(leaves)) === ref.chunks_root ? leaves : undefined
}

/** Fetches packages from peers, each once, however many readers wait for it. */
export class PackageFetcher {
  readonly #parts: Parts
  readonly #owner: TransferOwner
  /** Until when whom is not asked for which package unless nobody else is left, oldest first. */
  readonly #distrusted = new Map<string, number>()
  /** By digest, from the question who holds it until nobody can join the transfer any more. */
  readonly #transfers = new Map<string, Promise<PackageTransfer>>()

  constructor(parts: Parts, onKept: TransferOwner['onKept'], limits = TRANSFER_LIMITS) {
    this.#parts = parts
    this.#owner = {
      limits,
      arrivals: new Arrivals(limits),
      cap: new RateCap(parts.config.p2p.download_bytes_per_second),
      onKept,
      onWrongChunk: (provider, of) => {
        this.#distrust(provider, of)
        parts.network.scores.record(provider, 'protocol_violation')
      },
      onOver: ({ digest }) => this.#transfers.delete(digest),
    }
  }

  /**
   * Opens a package that the first of `providers` who holds it describes, as the cell `cellId` where that is known. Its bytes are asked for
   * when the source is read. Throws `PROV_002` when nobody holds it, or it is larger than this node takes; undefined when a transfer that
   * this call joined ended meanwhile. The first read throws `PROV_013` while too much is on its way here.
   */
  async open(digest: string, providers: readonly string[], cellId?: string): Promise<PackageSource | undefined> {
    let opening = this.#transfers.get(digest)
    if (opening === undefined) {
      const asked = this.#trusted(providers, digest)
      opening = this.#describe(digest, asked, cellId).then(
        (described) => new PackageTransfer(this.#parts, this.#owner, described, asked),
      )
      this.#transfers.set(digest, opening)
      opening.catch(() => this.#transfers.delete(digest))
    }
    const transfer = await opening
    // It may have ended while this waited: then the package is here, or has to be fetched again.
    return transfer.joinable ? transfer.source() : undefined
  }

  /** The providers that have not sent wrong chunks of this package lately; all of them, where there is no other. */
  #trusted(providers: readonly string[], digest: string): readonly string[] {
    const now = performance.now()
    const trusted = providers.filter((provider) => (this.#distrusted.get(`${provider} ${digest}`) ?? 0) <= now)
    return trusted.length > 0 ? trusted : providers
  }

  #distrust(provider: string, digest: string): void {
    this.#distrusted.set(`${provider} ${digest}`, performance.now() + DISTRUSTED_MS)
    const [oldest] = this.#distrusted.keys()
    if (this.#distrusted.size > DISTRUSTED && oldest !== undefined) this.#distrusted.delete(oldest)
  }

  async #describe(digest: string, providers: readonly string[], cellId: string | undefined): Promise<Described> {
    let refusal: ProviderError | undefined
    for (const provider of providers) {
      try {
        return await describePackage(this.#parts, provider, digest, cellId)
      } catch (error) {
        if (error instanceof ProviderError && error.code === 'PROV_002') refusal = error
        this.#parts.logger.info({ provider, digest, reason: errorMessage(error) }, 'a peer did not describe a package')
      }
    }
    throw refusal ?? new ProviderError('PROV_002', `nobody that this node knows holds the package ${digest}`)
  }
}
