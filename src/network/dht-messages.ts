import { concatBytes } from '../kernel/base/bytes.ts'
import { varint } from './provider-store.ts'

/** Protobuf: a field of bytes. */
const bytesField = (number: number, bytes: Uint8Array): Uint8Array =>
  concatBytes([varint(number * 8 + 2), varint(bytes.length), bytes])

/** Protobuf: a field with a small number. */
const numberField = (number: number, value: number): Uint8Array => Uint8Array.of(number * 8, value)

/** A message behind its length, as it stands on a stream. */
const framed = (message: Uint8Array): Uint8Array => concatBytes([varint(message.length), message])

/** Numbers of the libp2p Kademlia specification's `Message`. */
const TYPE = 1
const KEY = 2
const PROVIDERS = 9
const PEER_ID = 1
const PEER_ADDRESS = 2
const ADD_PROVIDER = 2
const PING = 5

/** `Message.Peer`: who provides, as bytes of its multihash and multiaddrs. */
export const providerPeer = (id: Uint8Array, addresses: readonly Uint8Array[]): Uint8Array =>
  concatBytes([bytesField(PEER_ID, id), ...addresses.map((address) => bytesField(PEER_ADDRESS, address))])

/** Says that `peer` (of {@link providerPeer}) provides `key`. There is no answer. */
export const addProviderMessage = (key: Uint8Array, peer: Uint8Array): Uint8Array =>
  framed(concatBytes([numberField(TYPE, ADD_PROVIDER), bytesField(KEY, key), bytesField(PROVIDERS, peer)]))

/** Is answered by the same: a peer handles the messages of a stream in order, so what was sent before is done then. */
export const PING_MESSAGE = framed(numberField(TYPE, PING))
