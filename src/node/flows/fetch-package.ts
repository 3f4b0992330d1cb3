import { createHash, type Hash } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import { equalBytes, fromBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { merkleRoot } from '../../kernel/base/merkle.ts'
import type { BlobWriter } from '../../kernel/storage/blobs.ts'
import type { PackageSource } from '../api.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { readAhead } from './package-source.ts'

type Parts = Pick<NodeParts, 'blobs' | 'cache' | 'network' | 'offerVerifier' | 'trust' | 'logger' | 'events'>

const LEAF = Uint8Array.of(0)
/** Milliseconds that a peer may take to say what a package is made of. */
const DESCRIBE_MS = 10_000
/** Milliseconds without a byte after which a transfer is given up. */
const STALL_MS = 15_000
/** Chunks that may be on their way to the disk at once. */
const WRITES_AHEAD = 4
/** Chunks between two hints to the disk. */
const FLUSH_EVERY = 16

/** A package that a peer holds, as far as it is known before its bytes: signed by its publisher, and chunk by chunk checkable. */
interface Described {
  readonly provider: string
  readonly offer: VerifiedOffer
  readonly leaves: readonly Uint8Array[]
}

/** Asks a peer what a package is made of. Throws when the peer does not hold it, or what it says does not verify. */
async function describePackage(parts: Parts, provider: string, digest: string): Promise<Described> {
  const answer = await parts.network.request(
    provider,
    'package_request',
    { digest },
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

/** One package on its way here: verified chunk by chunk, readable as far as it is verified, kept if the cache admits it. */
class PackageFetch {
  readonly digest: string
  readonly size: number
  readonly #parts: Parts
  readonly #described: Described
  readonly #providers: readonly string[]
  readonly #writer: BlobWriter
  #verified = 0
  #failure: Error | undefined
  /** A write that the disk refused: then no other peer can help. */
  #broken: Error | undefined
  #done = false
  #readers = 0
  #waiting: (() => void)[] = []
  /** Ends of chunks that are written while an earlier one is not. */
  readonly #ends = new Set<number>()
  readonly #onKept: (page: number, evictedPages: readonly number[]) => void

  constructor(
    parts: Parts,
    described: Described,
    providers: readonly string[],
    writer: BlobWriter,
    onKept: (page: number, evictedPages: readonly number[]) => void,
  ) {
    this.#onKept = onKept
    this.#parts = parts
    this.#described = described
    this.#providers = [described.provider, ...providers.filter((provider) => provider !== described.provider)]
    this.#writer = writer
    this.digest = described.offer.manifest.package.digest
    this.size = described.offer.manifest.package.size
  }

  /** Fetches to the end, from one provider after the other, each going on where the last good chunk ended. Never throws. */
  async run(): Promise<void> {
    try {
      let lastError: unknown
      for (const provider of this.#providers) {
        try {
          await this.#receive(provider)
          break
        } catch (error) {
          if (this.#broken !== undefined) throw this.#broken
          lastError = error
          this.#parts.logger.warn(
            { provider, digest: this.digest, reason: errorMessage(error) },
            'a package transfer failed',
          )
        }
      }
      if (this.#writer.size < this.size) throw lastError
      await this.#finish()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#parts.logger.warn({ digest: this.digest, reason: this.#failure.message }, 'a package could not be fetched')
    } finally {
      this.#done = true
      this.#wake()
    }
  }

  /** Whether a reader may still join. */
  get joinable(): boolean {
    return !this.#done || this.#readers > 0
  }

  source(): PackageSource {
    this.#readers++
    let open = true
    return {
      digest: this.digest,
      size: this.size,
      complete: false,
      read: (start, end, signal) =>
        readAhead(
          (buffer, length, position) => this.#writer.read(buffer, length, position),
          start,
          end,
          (position) => this.#available(position, signal),
        ),
      close: async () => {
        if (!open) return
        open = false
        this.#readers--
        await this.closeWhenUnused()
      },
    }
  }

  async #receive(provider: string): Promise<void> {
    const { leaves } = this.#described
    let index = Math.floor(this.#writer.size / LIMITS.chunkBytes)
    let pieces: Uint8Array[] = []
    let filled = 0
    let hash = leafHasher()
    const writes: Promise<void>[] = []
    const stall = new StallTimer(STALL_MS)
    try {
      for await (const bytes of this.#parts.network.fetchPackage(provider, this.digest, index, {
        signal: stall.signal,
      })) {
        stall.progress()
        for (let offset = 0; offset < bytes.length; ) {
          const wanted = Math.min(LIMITS.chunkBytes, this.size - index * LIMITS.chunkBytes) - filled
          if (wanted <= 0) throw new Error('the peer sent more than the package')
          const piece = bytes.subarray(offset, offset + wanted)
          offset += piece.length
          filled += piece.length
          hash.update(piece)
          pieces.push(piece)
          if (piece.length < wanted) continue
          const leaf = hash.digest()
          if (!equalBytes(leaf, leaves[index]!)) throw new Error(`chunk ${index} is not what the publisher signed`)
          const written = this.#write(pieces, leaf)
          // It is awaited further down, maybe after the next bytes: until then its failure must not count as unhandled.
          written.catch((error: unknown) => {
            this.#broken ??= error instanceof Error ? error : new Error(String(error))
          })
          writes.push(written)
          if (writes.length > WRITES_AHEAD) await writes.shift()
          index++
          pieces = []
          filled = 0
          hash = leafHasher()
        }
      }
      if (index < leaves.length) throw new Error('the transfer ended early')
    } finally {
      stall.clear()
      await Promise.all(writes)
    }
  }

  async #write(pieces: readonly Uint8Array[], leaf: Uint8Array): Promise<void> {
    const written = this.#writer.appendChunk(pieces, leaf)
    const end = this.#writer.size
    if (this.#writer.leaves.length % FLUSH_EVERY === 0) this.#writer.flushAhead()
    await written
    // Writes may finish out of order by a little; readers are told of a position only when all before it is there.
    this.#progress(end)
  }

  #progress(end: number): void {
    this.#ends.add(end)
    for (let next = this.#verified + LIMITS.chunkBytes; this.#ends.delete(next); next += LIMITS.chunkBytes) {
      // The last bytes are held back until the digest of the whole is known to be right.
      if (next < this.size) this.#verified = next
    }
    this.#wake()
  }

  async #finish(): Promise<void> {
    const summary = this.#writer.hashed()
    if (`sha256:${summary.digest}` !== this.digest) {
      throw new ProviderError(
        'PROV_008',
        `the publisher signed chunks of ${this.digest} that make up sha256:${summary.digest}`,
      )
    }
    if (this.#parts.cache.admits(this.size)) await this.#keep()
    this.#verified = this.size
    this.#wake()
  }

  /** Takes the package into the cache, before a reader gets its last bytes: who has downloaded it can rely on this node for it. */
  async #keep(): Promise<void> {
    const { offer, provider } = this.#described
    await this.#writer.finish()
    const { record, evicted } = await this.#parts.cache.keep(offer, provider, offer.createdAt, this.#writer)
    for (const { manifest } of evicted) {
      this.#parts.events.emit('cell_evicted', {
        digest: manifest.package.digest,
        bytes: manifest.package.size,
        publisher: manifest.publisher,
      })
    }
    this.#parts.events.emit('cell_cached', {
      digest: this.digest,
      bytes: this.size,
      publisher: record.manifest.publisher,
      from: provider,
    })
    this.#onKept(
      record.page,
      evicted.map(({ page }) => page),
    )
  }

  async #available(position: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#verified < position) {
      signal?.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#done) throw new Error('the package is shorter than its manifest says')
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  /** Lets go of the file once the transfer is over and the last reader has left. */
  async closeWhenUnused(): Promise<void> {
    if (this.#done && this.#readers === 0) await this.#writer.discard()
  }
}

const leafHasher = (): Hash => createHash('sha256').update(LEAF)

/** Aborts when nothing moved for a while. One timer for a whole transfer. */
class StallTimer {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(ms: number) {
    this.#timer = setTimeout(() => this.#controller.abort(new Error(`no byte came for ${ms / 1000} s`)), ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  progress(): void {
    this.#timer.refresh()
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

/** Fetches packages from peers, each once, however many readers wait for it. */
export class PackageFetcher {
  readonly #parts: Parts
  readonly #onKept: (page: number, evictedPages: readonly number[]) => void
  readonly #running = new Map<string, Promise<PackageFetch>>()

  /** `onKept` hears which pages of announcements changed because a package was kept. */
  constructor(parts: Parts, onKept: (page: number, evictedPages: readonly number[]) => void) {
    this.#parts = parts
    this.#onKept = onKept
  }

  /**
   * Opens a package that the first of `providers` who holds it sends. Throws `PROV_002` when none does; undefined when a transfer that this
   * call joined ended meanwhile.
   */
  async open(digest: string, providers: readonly string[]): Promise<PackageSource | undefined> {
    let fetch = this.#running.get(digest)
    if (fetch === undefined) {
      fetch = this.#start(digest, providers)
      this.#running.set(digest, fetch)
      fetch.catch(() => this.#running.delete(digest))
    }
    const running = await fetch
    // It may have ended while this waited: then the package is here, or has to be fetched again.
    return running.joinable ? running.source() : undefined
  }

  async #start(digest: string, providers: readonly string[]): Promise<PackageFetch> {
    const described = await this.#describe(digest, providers)
    const fetch = new PackageFetch(this.#parts, described, providers, await this.#parts.blobs.create(), this.#onKept)
    // The first reader must be counted before the fetch can end.
    setImmediate(() => void this.#run(fetch))
    return fetch
  }

  async #run(fetch: PackageFetch): Promise<void> {
    await fetch.run()
    this.#running.delete(fetch.digest)
    await fetch.closeWhenUnused()
  }

  async #describe(digest: string, providers: readonly string[]): Promise<Described> {
    for (const provider of providers) {
      try {
        return await describePackage(this.#parts, provider, digest)
      } catch (error) {
        this.#parts.logger.info({ provider, digest, reason: errorMessage(error) }, 'a peer did not describe a package')
      }
    }
    throw new ProviderError('PROV_002', `nobody that this node knows holds the package ${digest}`)
  }
}
