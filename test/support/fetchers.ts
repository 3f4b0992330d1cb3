import type { TestContext } from 'node:test'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import type { VerifiedCell } from '../../src/domain/cells/repository.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { concatBytes, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import type { BlobSummary } from '../../src/kernel/plugins/packages/blob-stores.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import type { Network } from '../../src/network/network.ts'
import { ChunkDoors } from '../../src/node/flows/chunk-doors.ts'
import { PackageFetcher } from '../../src/node/flows/fetch-package.ts'
import { TRANSFER_LIMITS, type TransferLimits } from '../../src/node/flows/transfer-limits.ts'
import { OfferVerifier } from '../../src/node/offers.ts'
import { silentLogger } from '../network/nodes.ts'
import { NETWORK, openCells } from './cells.ts'
import { offerOf } from './node-pairs.ts'

export interface FetcherOptions {
  /** How chunks come; who describes the package does so truly. */
  readonly fetchPackage: Network['fetchPackage']
  /** Bytes of the cache. */
  readonly cacheBytes?: number
  readonly limits?: Partial<TransferLimits>
  readonly maxPackageBytes?: number
  readonly downloadBytesPerSecond?: number
  readonly doors?: ChunkDoors
}

/** A fetcher of the package of `cell` over a real store; `punished` hears who broke a rule. */
export async function openFetcher(t: TestContext, cell: VerifiedCell, summary: BlobSummary, options: FetcherOptions) {
  const { cacheBytes = 2 ** 30, fetchPackage, limits, maxPackageBytes, downloadBytesPerSecond = 0 } = options
  const cells = await openCells(t, { budget: { maxBytes: cacheBytes, maxBytesPerPublisher: cacheBytes } })
  const described = { type: 'package_response', id: 0, cell: offerOf(cell), chunks: toBase64Url(summary.chunks) }
  const punished: string[] = []
  const network = {
    request: async () => described as never,
    fetchPackage,
    scores: { record: (peer: string, event: string) => punished.push(`${peer} ${event}`) },
  }
  const publishers = new Publishers(cells.store)
  const { config } = loadConfig({ env: {}, flags: {} })
  const parts = {
    ...cells,
    config: {
      ...config,
      p2p: { ...config.p2p, download_bytes_per_second: downloadBytesPerSecond },
      cells: { ...config.cells, ...(maxPackageBytes === undefined ? {} : { max_package_bytes: maxPackageBytes }) },
    },
    publishers,
    network: network as never,
    offerVerifier: new OfferVerifier(NETWORK, nativeVerifier, publishers),
    trust: new TrustPolicy({ pinned: [], self: 'self', accept: 'any' }),
    logger: silentLogger,
    events: new Events(silentLogger),
  }
  const fetcher = new PackageFetcher(
    { ...parts, doors: options.doors ?? new ChunkDoors({ fetchPackage, connectedPeers: () => [] }) },
    () => undefined,
    { ...TRANSFER_LIMITS, ...limits },
  )
  return { ...cells, fetcher, punished }
}

/** Fetches a whole package; `seen` hears how many bytes have been read. */
export async function fetchAll(
  fetcher: PackageFetcher,
  digest: string,
  providers: readonly string[],
  seen: (bytes: number) => void = () => undefined,
): Promise<Uint8Array> {
  const source = await fetcher.open(digest, providers)
  if (source === undefined) throw new Error('the transfer that was joined has ended')
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const piece of source.read(0, source.size - 1)) {
      parts.push(new Uint8Array(piece))
      bytes += piece.length
      seen(bytes)
    }
  } finally {
    await source.close()
  }
  return concatBytes(parts)
}
