import { LIMITS } from '../../../protocol/limits.ts'
import { type AddressRange, rangeOfHost } from '../../kernel/egress/address-range.ts'
import { EgressError } from '../../kernel/egress/connect.ts'
import { RangeReader } from '../../kernel/egress/range-reader.ts'
import type { WantedRange } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'

/** A way to the chunks of a provider. */
export type Door = 'p2p' | 'http'

/** Providers whose doors are remembered, those that were heard of last: some 300 bytes each. */
const REMEMBERED = 10_000
/** Milliseconds for which a door that failed is tried last. */
const FAILED_MS = 600_000
/** Bytes from which on a fetch says how fast a door is. */
const TELLING_BYTES = 4 * LIMITS.chunkBytes
/** Ranges that one HTTP request asks for: a node counts requests, so many small ones would be too many. */
const RANGES_PER_REQUEST = 4

/** What is known of the doors of a provider. */
interface Known {
  http?: { readonly url: string; readonly ranges: ReadonlySet<AddressRange> }
  /** Bytes per millisecond, of the last fetch that told. */
  readonly speed: { [D in Door]?: number }
  /** Until when HTTP is tried last. */
  failedUntil: number
}

/** Asks `nextRange` for chunks until it has no more, and yields their bytes in that order. */
type FetchChunks = (
  provider: string,
  digest: string,
  nextRange: () => WantedRange | undefined,
  options: { readonly signal: AbortSignal },
) => AsyncIterable<Uint8Array>

/**
 * The ways to chunks: the peer protocol, and the HTTP address that a provider announces. What comes is checked chunk by chunk either way, so that only speed decides: P2P until it
 * was measured, HTTP once to measure it, then the faster one. The other door is open when the first one fails or has no place.
 */
export class ChunkDoors {
  readonly #network: Pick<NodeParts['network'], 'fetchPackage' | 'connectedPeers'>
  readonly #known = new Map<string, Known>()
  readonly #now: () => number

  constructor(
    network: Pick<NodeParts['network'], 'fetchPackage' | 'connectedPeers'>,
    now: () => number = () => performance.now(),
  ) {
    this.#network = network
    this.#now = now
  }

  /**
   * Hears the HTTP address of a signed announcement, which `from` passed on. Private ranges are called only when it came over a connection from the
   * same range.
   */
  learn(provider: string, url: string | undefined, from: string): void {
    if (url === undefined) {
      delete this.#known.get(provider)?.http
      return
    }
    const known = this.#of(provider)
    const peer = this.#network.connectedPeers().find(({ providerId }) => providerId === from)
    const ranges = (peer?.addresses ?? []).map((address) => rangeOfHost(address.split('/')[2] ?? ''))
    known.http = { url, ranges: new Set(['public', ...ranges.filter((range) => range !== 'special')]) }
    this.#known.delete(provider)
    this.#known.set(provider, known)
    const [oldest] = this.#known.keys()
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
  }

  /** The doors of a provider, the one to try first in front. */
  of(provider: string): readonly Door[] {
    const known = this.#known.get(provider)
    if (known?.http === undefined) return ['p2p']
    const { p2p, http } = known.speed
    const isBetter = p2p !== undefined && (http === undefined || http > p2p) && this.#now() >= known.failedUntil
    return isBetter ? ['http', 'p2p'] : ['p2p', 'http']
  }

  /** Fetches chunks through a door. Throws what the door does. */
  async *chunks(door: Door, ...[provider, digest, nextRange, options]: Parameters<FetchChunks>) {
    const since = this.#now()
    let bytes = 0
    const args = [provider, digest, nextRange, options] as const
    for await (const part of door === 'http' ? this.#overHttp(...args) : this.#network.fetchPackage(...args)) {
      bytes += part.byteLength
      yield part
    }
    if (bytes >= TELLING_BYTES) this.#of(provider).speed[door] = bytes / Math.max(this.#now() - since, 1)
  }

  async *#overHttp(...[provider, digest, nextRange, { signal }]: Parameters<FetchChunks>): AsyncGenerator<Uint8Array> {
    const known = this.#of(provider)
    if (known.http === undefined) throw new Error(`${provider} announces no HTTP address`)
    const { url, ranges } = known.http
    const path = `${url.replace(/\/+$/, '')}/api/v1/cells/packages/${digest}`
    const next = merged(nextRange)
    let reader: RangeReader | undefined
    try {
      reader = new RangeReader(path, { allows: (range) => ranges.has(range) })
      for (let wanted = next(); wanted !== undefined; wanted = next()) {
        const start = wanted.from * LIMITS.chunkBytes
        yield* reader.read(start, start + wanted.bytes - 1, signal)
      }
    } catch (error) {
      if (error instanceof EgressError) known.failedUntil = this.#now() + FAILED_MS
      throw error
    } finally {
      reader?.close()
    }
  }

  #of(provider: string): Known {
    const known = this.#known.get(provider) ?? { speed: {}, failedUntil: 0 }
    this.#known.set(provider, known)
    return known
  }
}

/** Neighbouring ranges as one. */
function merged(nextRange: () => WantedRange | undefined): () => WantedRange | undefined {
  let held: WantedRange | undefined
  return () => {
    let range = held ?? nextRange()
    held = undefined
    for (let count = 1; range !== undefined && count < RANGES_PER_REQUEST; count++) {
      const more = nextRange()
      if (more?.from !== range.to) {
        held = more
        break
      }
      range = { from: range.from, to: more.to, bytes: range.bytes + more.bytes }
    }
    return range
  }
}
