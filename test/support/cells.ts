import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { Catalogue } from '../../src/domain/cells/catalogue.ts'
import { CellIndex } from '../../src/domain/cells/cell-index.ts'
import { CellLog } from '../../src/domain/cells/cell-log.ts'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import { type CacheBudget, PullThroughCache } from '../../src/domain/cells/pull-through.ts'
import { Repository, type VerifiedCell } from '../../src/domain/cells/repository.ts'
import { Yanks } from '../../src/domain/cells/yanks.ts'
import { concatBytes, toHex } from '../../src/kernel/base/bytes.ts'
import type { Clock } from '../../src/kernel/base/clock.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../src/kernel/base/merkle.ts'
import { manifestDigest } from '../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, type PublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import type { BlobStore, BlobSummary, BlobWriter } from '../../src/kernel/plugins/packages/blob-stores.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { createFileBlobStore } from '../../src/providers/blob-stores/file.ts'
import { temporaryFolder } from './folders.ts'

export { temporaryFolder }

/** Name of the network in these tests. */
export const NETWORK = 'test'

/** Everything that an iterable yields. */
export async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A clock that moves when told. */
export class TestClock implements Clock {
  #now: number
  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }
  now(): number {
    return this.#now
  }
  advance(ms: number): void {
    this.#now += ms
  }
}

/** A publisher with fresh keys. */
export const newPublisher = (): PublisherKeys => publisherKeys(createPublisherKeys({ kind: 'publisher' }))

/** Digest, size and chunk tree of some bytes, found by writing them as a blob. */
export async function staged(blobs: BlobStore, bytes: Uint8Array): Promise<BlobWriter> {
  const writer = blobs.create()
  await writer.write(bytes)
  await writer.finish()
  return writer
}

/** The same without a file. */
export function summaryOf(bytes: Uint8Array): BlobSummary {
  const leaves: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += LIMITS.chunkBytes) {
    leaves.push(leafHash(bytes.subarray(at, at + LIMITS.chunkBytes)))
  }
  return {
    digest: sha256Hex(bytes),
    size: bytes.length,
    chunks: concatBytes(leaves),
    chunksRoot: toHex(merkleRoot(leaves)),
  }
}

/** The `package` of a manifest. */
export const packageRef = (summary: BlobSummary): Manifest['package'] => ({
  digest: `sha256:${summary.digest}`,
  size: summary.size,
  chunk_size: LIMITS.chunkBytes,
  chunks_root: summary.chunksRoot,
})

/** A manifest with usual values. */
export const manifestOf = (
  publisher: string,
  summary: BlobSummary,
  overrides: Partial<Omit<Manifest, 'publisher' | 'package'>> = {},
): Manifest => ({
  format: 1,
  publisher,
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
  dependencies: [],
  requirements: {},
  packaging_format: 'wasm',
  media_type: 'application/wasm',
  labels: {},
  ...overrides,
  package: packageRef(summary),
})

/** A signed cell of `manifest`. */
export const signedCell = (publisher: PublisherKeys, manifest: Manifest): VerifiedCell => ({
  id: manifestDigest(manifest),
  manifest,
  signature: publisher.signManifest(NETWORK, manifest),
  signedBy: 'publisher',
  annotations: {},
})

/** The rooms of the domain over a real store, closed when the test ends. */
export async function openCells(
  t: TestContext,
  options: { directory?: string; clock?: Clock; budget?: CacheBudget } = {},
) {
  const directory = options.directory ?? (await temporaryFolder(t))
  const clock = options.clock ?? new TestClock()
  const store = await Store.open(join(directory, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const blobs = await openBlobs(join(directory, 'blobs'))
  t.after(() => blobs.close())
  const index = new CellIndex(store, 'self')
  const catalogue = new Catalogue(store)
  const merkleLog = new MerkleLog(store, '')
  const log = new CellLog(merkleLog)
  const publishers = new Publishers(store)
  const yanks = new Yanks({
    store,
    index,
    log,
    publishers,
    trust: { isPinned: () => false },
    network: NETWORK,
    verifier: nativeVerifier,
    clock,
  })
  await yanks.load()
  const parts = { store, blobs, index, catalogue, log, publishers, yanks, clock }
  const budget = options.budget ?? { maxBytes: 1_000_000, maxBytesPerPublisher: 1_000_000 }
  return {
    ...parts,
    merkleLog,
    directory,
    repository: new Repository(parts),
    cache: new PullThroughCache({ ...parts, budget }),
  }
}

/** The blob store with files in a folder. */
export const openBlobs = (directory: string): Promise<BlobStore> =>
  createFileBlobStore(new AbortController().signal, { directory })

/** Where `openCells` has the file of a package. */
export const packageFile = (cells: { directory: string }, digest: string): string =>
  join(cells.directory, 'blobs', digest.slice(0, 1), digest)

/** Digests of the packages on disk, in order, and what is left in `incoming/`. */
export async function filesOf(blobs: BlobStore, directory: string): Promise<{ digests: string[]; incoming: string[] }> {
  const digests = await collected(blobs.digests())
  return { digests: digests.sort(), incoming: await readdir(join(directory, 'blobs', 'incoming')) }
}
