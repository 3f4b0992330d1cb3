import { concatBytes } from '../base/bytes.ts'

/** Names and content of the static files of C2SP `tlog-tiles`, which standard transparency tools read. Browser-safe. */

/** Hashes of a full tile, and leaves of a full bundle. */
export const TILE_WIDTH = 256
/** Levels of the tree that one level of tiles spans. */
export const TILE_HEIGHT = 8
/** Bytes of a leaf at most: the length prefix in a bundle has 16 bits. */
export const MAX_LEAF_BYTES = 0xffff

/** The highest level that the specification lets a path name. */
const MAX_LEVEL = 63
/** Three digits to a path element; five elements stay within the integers that a number holds exactly. */
const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/** A tile of hashes, or a bundle of leaves, which covers what the tile of level 0 at its index covers. */
export interface Tile {
  /** Tile level (its hashes are `TILE_HEIGHT` times as many tree levels above the leaves), or `entries` for a bundle. */
  readonly level: number | 'entries'
  readonly index: number
  /** Hashes or leaves in it: `TILE_WIDTH`, or less for a partial one. */
  readonly width: number
}

/** The path of a tile, from the log's URL prefix on: `tile/0/x001/x234/067`, `tile/entries/000.p/7`. */
export function formatTilePath({ level, index, width }: Tile): string {
  const digits = String(index)
  const elements = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  const path = elements.map((element, i) => (i < elements.length - 1 ? `x${element}` : element)).join('/')
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/** The tile that a path names; undefined when it is not the one spelling of any. */
export function parseTilePath(path: string): Tile | undefined {
  const [, level, elements, width] = PATH.exec(path) ?? []
  if (level === undefined || elements === undefined) return undefined
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(elements.replace(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  }
  if (tile.level !== 'entries' && tile.level > MAX_LEVEL) return undefined
  // Refuses what has another spelling as well: zeros in front, and a full tile written as a partial one.
  return tile.width <= TILE_WIDTH && formatTilePath(tile) === path ? tile : undefined
}

/** A bundle: each leaf behind its length as a big-endian uint16. */
export function encodeEntries(leaves: readonly Uint8Array[]): Uint8Array {
  return concatBytes(leaves.flatMap((leaf) => [Uint8Array.of(leaf.length >> 8, leaf.length & 0xff), leaf]))
}

/** The leaves of a bundle. Throws `TypeError` when it holds more or fewer than `width`, or ends inside one. */
export function decodeEntries(bundle: Uint8Array, width: number): Uint8Array[] {
  const leaves: Uint8Array[] = []
  let offset = 0
  while (offset < bundle.length && leaves.length < width) {
    if (offset + 2 > bundle.length) throw cutOff(leaves.length)
    const start = offset + 2
    offset = start + bundle[offset]! * 256 + bundle[offset + 1]!
    if (offset > bundle.length) throw cutOff(leaves.length)
    leaves.push(bundle.slice(start, offset))
  }
  if (leaves.length < width) throw new TypeError(`the bundle holds ${leaves.length} leaves, expected ${width}`)
  if (offset < bundle.length)
    throw new TypeError(`${bundle.length - offset} bytes follow the ${width} leaves of the bundle`)
  return leaves
}

const cutOff = (leaf: number): TypeError => new TypeError(`the bundle ends inside its leaf ${leaf}`)
