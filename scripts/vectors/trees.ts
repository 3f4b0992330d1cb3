import { CONTEXTS } from '../../protocol/contexts.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../src/kernel/base/merkle.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { signedBytes } from '../../src/kernel/identity/signed.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A package and its chunk tree. */
export interface ChunksRootCase {
  readonly size: number
  /** `sha256:…` of the package. */
  readonly digest: string
  /** Leaf hashes in hexadecimal. */
  readonly leaves: string[]
  readonly chunks_root: string
}

/** The bytes of a vector's package: byte i is i modulo 251. */
export const packageBytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i % 251)

/** Chunk trees of packages around the limits of a chunk. */
export function chunksRootVectors(): { about: string; chunk_size: number; cases: ChunksRootCase[] } {
  const { chunkBytes } = LIMITS
  const sizes = [1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes, 4 * chunkBytes + 5]
  return {
    about:
      'Byte i of a package is i modulo 251. Leaf = SHA-256(0x00 || chunk), node = SHA-256(0x01 || left || right), tree of ' +
      'RFC 9162 section 2.1.1. Every chunk but the last has chunk_size bytes.',
    chunk_size: chunkBytes,
    cases: sizes.map((size) => {
      const bytes = packageBytes(size)
      const leaves: Uint8Array[] = []
      for (let at = 0; at < size; at += chunkBytes) leaves.push(leafHash(bytes.subarray(at, at + chunkBytes)))
      return {
        size,
        digest: `sha256:${sha256Hex(bytes)}`,
        leaves: leaves.map(toHex),
        chunks_root: toHex(merkleRoot(leaves)),
      }
    }),
  }
}

/** The frames of a batch, and its signature. */
export interface BatchRootCase {
  readonly network: string
  /** Hexadecimal session id. */
  readonly session: string
  /** Provider id of the writer. */
  readonly from: string
  readonly sequence: number
  /** Payloads of the frames, without their length prefixes, in hexadecimal. */
  readonly frames: string[]
  readonly root: string
  /** base64url. */
  readonly signature: string
}

/** Batches of one, two, three and seven frames in one session. */
export function batchRootVectors(): { about: string; wire_seed: string; wire_key: string; cases: BatchRootCase[] } {
  const seed = namedSeed('wire')
  const key = ed25519FromSeed(seed)
  const from = providerIdOf(ed25519FromSeed(namedSeed('identity')).publicKey)
  const session = sha256Hex('cytoplex vectors: session')
  const cases = [1, 2, 3, 7].map((count, sequence): BatchRootCase => {
    const frames = Array.from({ length: count }, (_, id) =>
      utf8(`{"type":"error","id":${id},"code":"busy","message":"ö"}`),
    )
    const root = toHex(merkleRoot(frames.map(leafHash)))
    const signature = key.sign(signedBytes(NETWORK, CONTEXTS.batch, { session, from, sequence, count, root }))
    return {
      network: NETWORK,
      session,
      from,
      sequence,
      frames: frames.map(toHex),
      root,
      signature: toBase64Url(signature),
    }
  })
  return {
    about:
      'root = tree of RFC 9162 over the frames (leaf = SHA-256(0x00 || frame)). The signature is by the wire key, context ' +
      '"batch", over {session, from, sequence, count, root}. Seed, key, frames and roots are hexadecimal.',
    wire_seed: toHex(seed),
    wire_key: toHex(key.publicKey),
    cases,
  }
}
