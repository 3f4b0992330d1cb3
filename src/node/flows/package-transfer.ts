import { LIMITS } from '../../../protocol/limits.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { errorMessage, fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import { unlessAborted } from '../../kernel/base/racing.ts'
import type { RateCap } from '../../kernel/base/rate-cap.ts'
import type { BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import type { WantedRange } from '../../network/network.ts'
import type { PackageSource } from '../api.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import type { ChunkDoors, Door } from './chunk-doors.ts'
import { ChunkPlan } from './chunk-plan.ts'
import { readAhead } from './package-source.ts'
import { type Arrival, type Arrivals, Deadlines, type TransferLimits } from './transfer-limits.ts'

interface Parts extends Pick<NodeParts, 'blobs' | 'cache' | 'publishers' | 'logger' | 'events'> {
  readonly doors: ChunkDoors
}

/** Chunks that may be on their way into the store at once, for each provider. */
const WRITES_AHEAD = 4
/** Providers that one package comes from at once. */
const MOST_SOURCES = 4
/** Chunks from which on more than one provider is asked: fewer have come before another stream is open. */
const WORTH_SHARING = 8

/** A provider, and the way to it. */
interface Source {
  readonly provider: string
  readonly door: Door
}

const nameOf = ({ provider, door }: Source): string => `${door} ${provider}`

/** A provider sent what the publisher has not signed. */
class WrongChunk extends Error {}

/** A package that a peer holds, as far as it is known before its bytes: signed by its publisher, and chunk by chunk checkable. */
export interface Described {
  readonly provider: string
  readonly offer: VerifiedOffer
  /** Leaf digests of the chunk tree; they add up to the manifest's root. */
  readonly leaves: readonly Uint8Array[]
}

/** Who a transfer belongs to. */
export interface TransferOwner {
  readonly limits: TransferLimits
  readonly arrivals: Arrivals
  /** What all transfers share. */
  readonly cap: RateCap
  /** Hears that a package was kept, and what had to go for it. */
  onKept(kept: CellRecord, evicted: readonly CellRecord[]): void
  /** Hears which peer sent what the publisher has not signed. */
  onWrongChunk(provider: string, digest: string): void
  /** Hears once that nobody can join any more. */
  onOver(transfer: PackageTransfer): void
}

/**
 * One package that a peer holds: described at first, on its way here from the first read on, verified chunk by chunk, readable as far as it
 * is verified, and kept if the cache admits it. One that the cache does not admit goes on only as long as somebody reads it.
 */
export class PackageTransfer {
  readonly digest: string
  readonly size: number
  readonly #parts: Parts
  readonly #owner: TransferOwner
  readonly #described: Described
  readonly #providers: readonly string[]
  readonly #writer: BlobWriter
  readonly #stop = new AbortController()
  /** Present from the first read on. */
  #arrival: Arrival | undefined
  #verified = 0
  #failure: Error | undefined
  /** A write that the store refused: then no other peer can help. */
  #broken: Error | undefined
  #done = false
  #readers = 0
  #waiting: (() => void)[] = []

  constructor(parts: Parts, owner: TransferOwner, described: Described, providers: readonly string[]) {
    this.#parts = parts
    this.#owner = owner
    this.#described = described
    this.#providers = [described.provider, ...providers.filter((provider) => provider !== described.provider)]
    this.#writer = parts.blobs.create()
    this.digest = described.offer.manifest.package.digest
    this.size = described.offer.manifest.package.size
  }

  get #hex(): string {
    return this.digest.slice('sha256:'.length)
  }

  /** Whether a reader may still join. */
  get joinable(): boolean {
    return !this.#stop.signal.aborted && (!this.#done || this.#readers > 0)
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
        await this.#leave()
      },
    }
  }

  /** Fetches to the end. Never throws. */
  async #run(arrival: Arrival): Promise<void> {
    const { logger } = this.#parts
    try {
      await this.#download()
      await this.#finish()
    } catch (error) {
      const shown = fullDisk(error)
      this.#failure = shown instanceof Error ? shown : new Error(String(shown))
      logger.warn({ digest: this.digest, reason: this.#failure.message }, 'a package could not be fetched')
    }
    this.#done = true
    arrival.ended()
    if (!this.#stop.signal.aborted) this.#owner.onOver(this)
    this.#wake()
    try {
      await this.#closeWhenUnused()
    } catch (error) {
      logger.error({ err: error, digest: this.digest }, 'the bytes of a transfer could not be removed')
    }
  }

  /** Fetches from several sources at once, each of which is tried once; what one does not bring is asked of the others. */
  async #download(): Promise<void> {
    const plan = new ChunkPlan(this.#described.leaves.length)
    const over = new AbortController()
    let untried = this.#sources()
    let lastError: unknown
    const tryOne = async (source: Source): Promise<void> => {
      const { provider, door } = source
      try {
        await this.#receive(source, plan, over.signal)
      } catch (error) {
        plan.gaveUp(nameOf(source))
        if (over.signal.aborted || this.#stop.signal.aborted) return
        lastError = error
        if (error instanceof WrongChunk) {
          untried = untried.filter((other) => other.provider !== provider)
          this.#owner.onWrongChunk(provider, this.digest)
        }
        this.#parts.logger.warn(
          { provider, door, digest: this.digest, reason: errorMessage(error) },
          'a package transfer failed',
        )
      }
      if (plan.isComplete || this.#broken !== undefined) over.abort(new Error('the transfer is over'))
    }
    const tryAll = async (): Promise<void> => {
      while (!over.signal.aborted && !this.#stop.signal.aborted) {
        const source = untried.shift()
        if (source === undefined) return
        await tryOne(source)
      }
    }
    const isWorthSharing = this.#described.leaves.length >= WORTH_SHARING
    const most = Math.min(MOST_SOURCES, this.#providers.length)
    const helpers = isWorthSharing ? this.#owner.arrivals.helpers(most - 1) : []
    try {
      await Promise.all([tryAll(), ...helpers.map(tryAll)])
    } finally {
      for (const leave of helpers) leave()
    }
    if (this.#broken !== undefined) throw this.#broken
    this.#stop.signal.throwIfAborted()
    if (!plan.isComplete) throw lastError
  }

  /** The better door of every provider, then the others. */
  #sources(): Source[] {
    const [first, second]: [Source[], Source[]] = [[], []]
    for (const provider of this.#providers) {
      const [better, other] = this.#parts.doors.of(provider)
      if (better !== undefined) first.push({ provider, door: better })
      if (other !== undefined) second.push({ provider, door: other })
    }
    return [...first, ...second]
  }

  /** Brings chunks of one source until all are here. */
  async #receive(source: Source, plan: ChunkPlan, over: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([over, this.#stop.signal])
    while (!plan.isComplete) {
      ended.throwIfAborted()
      if (!plan.hasFor(nameOf(source))) {
        await plan.changed()
        continue
      }
      // Under a cap nothing is asked for before there is room for it, so that nothing comes that has to wait on its way.
      const { cap } = this.#owner
      await cap.take(LIMITS.chunkBytes, ended)
      await this.#receiveFrom(source, plan, cap.isNone ? Number.POSITIVE_INFINITY : 1, ended)
    }
  }

  /** The same over one stream: as long as there is something to ask for, at most `most` chunks. */
  async #receiveFrom(source: Source, plan: ChunkPlan, most: number, ended: AbortSignal): Promise<void> {
    const { provider, door } = source
    const name = nameOf(source)
    let left = most
    /** The chunks that are asked for, in the order in which they come. */
    const coming: number[] = []
    const nextRange = (): WantedRange | undefined => {
      const range = left > 0 ? plan.take(name, left) : undefined
      if (range === undefined) return undefined
      left -= range.to - range.from
      for (let index = range.from; index < range.to; index++) coming.push(index)
      const end = Math.min(range.to * LIMITS.chunkBytes, this.size)
      return { ...range, bytes: end - range.from * LIMITS.chunkBytes }
    }
    // Bytes are copied once: a few large buffers that are used again cost less than many small ones that live until they are written.
    let chunk: Uint8Array | undefined
    let filled = 0
    const writes: Promise<void>[] = []
    const deadlines = new Deadlines(this.#owner.limits)
    const signal = AbortSignal.any([deadlines.signal, ended])
    try {
      for await (const bytes of this.#parts.doors.chunks(door, provider, this.digest, nextRange, { signal })) {
        deadlines.progress()
        for (let offset = 0; offset < bytes.length; ) {
          const index = coming[0]!
          const length = Math.min(LIMITS.chunkBytes, this.size - index * LIMITS.chunkBytes)
          const piece = bytes.subarray(offset, offset + length - filled)
          // Another provider may have been faster.
          if (chunk === undefined && !plan.has(index)) chunk = this.#writer.chunkBuffer()
          chunk?.set(piece, filled)
          offset += piece.length
          filled += piece.length
          if (filled < length) continue
          coming.shift()
          filled = 0
          if (chunk === undefined) {
            plan.brought(name, index)
            deadlines.nextChunk()
            continue
          }
          const written = this.#write(chunk, length, index).then(() => plan.brought(name, index))
          chunk = undefined
          // It is awaited further down, maybe after the next bytes: until then its failure must not count as unhandled.
          written.catch(() => undefined)
          writes.push(written)
          if (writes.length > WRITES_AHEAD) await deadlines.pausedFor(writes.shift()!)
          else deadlines.nextChunk()
        }
      }
      for (const written of writes) await written
    } finally {
      deadlines.clear()
      await Promise.allSettled(writes)
    }
  }

  async #write(bytes: Uint8Array, length: number, index: number): Promise<void> {
    const isGood = await this.#append(bytes, length, index)
    if (!isGood) throw new WrongChunk(`chunk ${index} is not what the publisher signed`)
    // The last bytes are held back until the digest of the whole is known to be right.
    this.#verified = Math.min(this.#writer.size, (this.#described.leaves.length - 1) * LIMITS.chunkBytes)
    this.#wake()
  }

  async #append(bytes: Uint8Array, length: number, index: number): Promise<boolean> {
    try {
      return await this.#writer.append(bytes, length, index * LIMITS.chunkBytes, this.#described.leaves[index]!)
    } catch (error) {
      this.#broken ??= error instanceof Error ? error : new Error(String(error))
      throw error
    }
  }

  async #finish(): Promise<void> {
    const summary = await this.#writer.hashed()
    if (`sha256:${summary.digest}` !== this.digest) {
      throw new ProviderError(
        'PROV_008',
        `the publisher signed chunks of ${this.digest} that make up sha256:${summary.digest}`,
      )
    }
    if (this.#parts.cache.admits(this.size, this.#hex)) await this.#keep()
    this.#verified = this.size
    this.#wake()
  }

  /** Takes the package into the cache, before a reader gets its last bytes: who has downloaded it can rely on this node for it. */
  async #keep(): Promise<void> {
    const { offer, provider } = this.#described
    await Promise.all([
      this.#writer.finish(),
      // The publisher's cell is stored here from now on, so what is known of its keys is, too.
      this.#parts.publishers.admit(offer.manifest.publisher, offer.signature),
    ])
    const { record, evicted } = await this.#parts.cache.keep(offer, provider, offer.createdAt, this.#writer)
    this.#arrival?.gone()
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
    this.#owner.onKept(record, evicted)
  }

  async #available(position: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#verified < position) {
      signal?.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#done) throw new Error('the package is shorter than its manifest says')
      this.#begin()
      const progress = new Promise<void>((resolve) => this.#waiting.push(resolve))
      await (signal === undefined ? progress : unlessAborted(progress, signal))
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  #begin(): void {
    if (this.#arrival !== undefined) return
    this.#stop.signal.throwIfAborted()
    this.#arrival = this.#owner.arrivals.enter(this.size)
    void this.#run(this.#arrival)
  }

  /** A reader has left. Without any, what has not begun never does, and what the cache would not keep is given up. */
  async #leave(): Promise<void> {
    if (this.#readers > 0) return
    const isWanted = this.#arrival !== undefined && this.#parts.cache.admits(this.size, this.#hex)
    if (!this.#done && !isWanted) {
      this.#stop.abort(new Error('nobody reads the package any more, and the cache has no room for it'))
      this.#owner.onOver(this)
    }
    await this.#closeWhenUnused()
  }

  /** Lets go of the bytes once the transfer is over and the last reader has left. */
  async #closeWhenUnused(): Promise<void> {
    if (!this.#done || this.#readers > 0) return
    await this.#writer.discard()
    this.#arrival?.gone()
  }
}
