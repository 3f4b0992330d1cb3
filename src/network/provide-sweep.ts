import { setImmediate as turn } from 'node:timers/promises'
import { sha256 } from '../kernel/base/hash.ts'

/** Peers that are told each key: Kademlia's k, which searchers ask. */
export const REPLICAS = 20
/** Lookups for one region at most: more would mean that peers hide, and what was found by then is told. */
const MOST_LOOKUPS = 16
/** Peers that are told at a time. */
const AT_ONCE = 10
/** Keys after which others get a turn of the event loop. */
const KEYS_PER_TURN = 500
/** Hashes that are tried for a key in an empty part of a region: enough for prefixes of 16 bits, thousands of times this many peers. */
const MOST_HASHES = 1 << 20

/** The DHT as the sweep uses it. */
export interface SweptDht {
  /** The peers that are closest to a key and answered, at most {@link REPLICAS}. */
  closestPeers(key: Uint8Array, signal: AbortSignal): Promise<readonly SweptPeer[]>
  /** Tells one peer many keys over one stream. Rejects unless the peer confirmed them. */
  tell(peer: SweptPeer, keys: readonly Uint8Array[], signal: AbortSignal): Promise<void>
}

/** A peer of the DHT. */
export interface SweptPeer {
  readonly id: string
  /** Its multihash: the SHA-256 of these bytes is its place. */
  readonly multihash: Uint8Array
}

/** What a sweep did. */
export interface Swept {
  /** Keys that at least one peer confirmed. */
  readonly told: number
  readonly regions: number
  readonly lookups: number
  /** Streams, one per region and peer. */
  readonly streams: number
}

/** Where a key or a peer is: 32 bytes that distances are measured between. */
type Place = Uint8Array

interface Key {
  readonly key: Uint8Array
  readonly at: Place
}

interface Neighbour {
  readonly peer: SweptPeer
  readonly at: Place
}

/**
 * Tells the DHT that this node provides many keys. They are sorted by their place and told region by region: the peers of a region are looked up
 * once, and each is told all its keys over one stream. So lookups and streams grow with the number of peers, not of keys.
 */
export async function sweep(keys: readonly Uint8Array[], dht: SweptDht, signal: AbortSignal): Promise<Swept> {
  const sorted = keys.map((key) => ({ key, at: sha256(key) })).sort((a, b) => Buffer.compare(a.at, b.at))
  let told = 0
  let regions = 0
  let lookups = 0
  let streams = 0
  for (let from = 0; from < sorted.length; ) {
    signal.throwIfAborted()
    const region = await explore(sorted, from, dht, signal)
    const end = endOf(sorted, from, region.bits)
    const peers = await tellRegion(sorted.slice(from, end), region.neighbours, dht, signal)
    regions++
    lookups += region.lookups
    streams += peers.streams
    told += peers.told
    from = end
  }
  return { told, regions, lookups, streams }
}

interface Region {
  /** Bits that all places in the region share. */
  readonly bits: number
  readonly neighbours: readonly Neighbour[]
  readonly lookups: number
}

/**
 * The region around a key: the longest prefix that holds {@link REPLICAS} peers, all of which are found. A lookup finds the closest peers; with c the bits
 * that the farthest of them shares with the key, every peer that shares more than c is among them. What is left of the prefix of c bits is
 * looked up in turn.
 */
async function explore(keys: readonly Key[], from: number, dht: SweptDht, signal: AbortSignal): Promise<Region> {
  const neighbours = new Map<string, Neighbour>()
  let lookups = 0
  /** Bits around `key` of which every peer is found; 0 when there are no more peers than were found. */
  const look = async (key: Uint8Array, at: Place): Promise<number> => {
    lookups++
    const peers = await dht.closestPeers(key, signal)
    let shared = 256
    for (const peer of peers) {
      const place = sha256(peer.multihash)
      neighbours.set(peer.id, { peer, at: place })
      shared = Math.min(shared, sharedBits(at, place))
    }
    return peers.length < REPLICAS ? 0 : shared + 1
  }
  const first = keys[from]!
  const found = await look(first.key, first.at)
  const bits = Math.max(0, found - 1)
  // A single key is told to those closest to it, which are found already.
  const isSingle = endOf(keys, from, bits) === from + 1
  const open: { at: Place; bits: number }[] =
    found === 0 || isSingle ? [] : [{ at: flipped(first.at, bits), bits: found }]
  for (let part = open.pop(); part !== undefined && lookups < MOST_LOOKUPS; part = open.pop()) {
    const inside = keyIn(keys, from, part)
    if (inside === undefined) continue
    const known = await look(inside.key, inside.at)
    for (let bit = part.bits; bit < known; bit++) open.push({ at: flipped(inside.at, bit), bits: bit + 1 })
  }
  return { bits, neighbours: [...neighbours.values()], lookups }
}

/** A key whose place is in a part of the key space: one that is to be told, or any. */
function keyIn(keys: readonly Key[], from: number, part: { at: Place; bits: number }): Key | undefined {
  for (let index = from; index < Math.min(keys.length, from + KEYS_PER_TURN); index++) {
    if (sharedBits(keys[index]!.at, part.at) >= part.bits) return keys[index]
  }
  const guess = Buffer.alloc(8)
  for (let hashes = 0; hashes < MOST_HASHES; hashes++) {
    guess.writeUInt32BE(hashes)
    const at = sha256(guess)
    if (sharedBits(at, part.at) >= part.bits) return { key: Buffer.from(guess), at }
  }
  return undefined
}

/** Where the keys end that share their first `bits` bits with the one at `from`. */
function endOf(keys: readonly Key[], from: number, bits: number): number {
  let inside = from
  let outside = keys.length
  while (outside - inside > 1) {
    const middle = (inside + outside) >> 1
    if (sharedBits(keys[middle]!.at, keys[from]!.at) >= bits) inside = middle
    else outside = middle
  }
  return outside
}

/** Tells each key to the {@link REPLICAS} peers that are closest to it. */
async function tellRegion(
  keys: readonly Key[],
  neighbours: readonly Neighbour[],
  dht: SweptDht,
  signal: AbortSignal,
): Promise<{ told: number; streams: number }> {
  const shares = new Map<SweptPeer, Key[]>()
  const places = neighbours.map(({ peer, at }) => ({ peer, at: numberOf(at) }))
  for (const [index, key] of keys.entries()) {
    if (index % KEYS_PER_TURN === KEYS_PER_TURN - 1) await turn()
    for (const peer of closest(places, numberOf(key.at))) {
      const share = shares.get(peer)
      if (share === undefined) shares.set(peer, [key])
      else share.push(key)
    }
  }
  const told = new Set<Key>()
  const queue = [...shares]
  const work = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      signal.throwIfAborted()
      const [peer, share] = next
      try {
        await dht.tell(
          peer,
          share.map(({ key }) => key),
          signal,
        )
        for (const key of share) told.add(key)
      } catch {
        // The other peers of these keys are told.
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  signal.throwIfAborted()
  return { told: told.size, streams: shares.size }
}

/** The peers at the smallest distance. */
function closest(places: readonly { peer: SweptPeer; at: Number64 }[], key: Number64): SweptPeer[] {
  if (places.length <= REPLICAS) return places.map(({ peer }) => peer)
  return places
    .map(({ peer, at }) => ({ peer, distance: distanceOf(at, key) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, REPLICAS)
    .map(({ peer }) => peer)
}

/** The first 64 bits of a place: what follows decides between no two peers. */
interface Number64 {
  readonly high: number
  readonly low: number
}

function numberOf(place: Place): Number64 {
  const view = new DataView(place.buffer, place.byteOffset)
  return { high: view.getUint32(0), low: view.getUint32(4) }
}

/** XOR distance, as far as a number is exact. */
const distanceOf = (a: Number64, b: Number64): number =>
  ((a.high ^ b.high) >>> 0) * 2 ** 21 + (((a.low ^ b.low) >>> 0) >>> 11)

function sharedBits(a: Place, b: Place): number {
  for (let index = 0; index < a.length; index++) {
    const difference = a[index]! ^ b[index]!
    if (difference !== 0) return index * 8 + Math.clz32(difference) - 24
  }
  return a.length * 8
}

/** The place with one bit changed. */
function flipped(place: Place, bit: number): Place {
  const other = Uint8Array.from(place)
  other[bit >> 3]! ^= 128 >> (bit & 7)
  return other
}
