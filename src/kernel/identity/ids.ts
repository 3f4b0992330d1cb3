import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString as encode } from 'uint8arrays/to-string'
import { concatBytes, equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { ED25519_KEY_BYTES } from './ed25519-encoding.ts'

/** Names of nodes, derived from their public keys. Browser-safe. */

/** Identity multihash of 36 bytes, holding a libp2p protobuf key: type 1 (Ed25519), 32 bytes. */
const PEER_ID_HEADER = fromHex('002408011220')

/** The PeerId string (`12D3KooW…`) of a raw Ed25519 public key. Throws `TypeError` for another length. */
export function providerIdOf(publicKey: Uint8Array): string {
  if (publicKey.length !== ED25519_KEY_BYTES) {
    throw new TypeError(`an Ed25519 public key has ${ED25519_KEY_BYTES} bytes, this one ${publicKey.length}`)
  }
  return encode(concatBytes([PEER_ID_HEADER, publicKey]), 'base58btc')
}

/** The raw Ed25519 public key inside a PeerId string. Throws `TypeError` for anything that {@link providerIdOf} does not write. */
export function publicKeyOf(providerId: string): Uint8Array {
  const bytes = fromBase58(providerId)
  if (bytes === undefined || bytes.length !== PEER_ID_HEADER.length + ED25519_KEY_BYTES) throw notProviderId(providerId)
  if (!equalBytes(bytes.subarray(0, PEER_ID_HEADER.length), PEER_ID_HEADER)) throw notProviderId(providerId)
  const publicKey = bytes.slice(PEER_ID_HEADER.length)
  if (providerIdOf(publicKey) !== providerId) throw notProviderId(providerId)
  return publicKey
}

/** The agent network's name of a node: `hex(SHA-256(public key))[0:40]`. `hashOf` is for who has a faster SHA-256. */
export const nodeIdOf = (publicKey: Uint8Array, hashOf: (data: Uint8Array) => Uint8Array = sha256): string =>
  toHex(hashOf(publicKey)).slice(0, 40)

function fromBase58(text: string): Uint8Array | undefined {
  // Base58 decoding is quadratic, so length is looked at first: 38 bytes never need more than 52 characters.
  if (text.length > 52) return undefined
  try {
    return fromString(text, 'base58btc')
  } catch {
    return undefined
  }
}

const notProviderId = (text: string): TypeError =>
  new TypeError(`not the PeerId of an Ed25519 key (12D3KooW…): ${JSON.stringify(text.slice(0, 64))}`)
