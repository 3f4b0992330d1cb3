import { peerIdFromCID } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import type { Multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { fromBase64Url, toBase64Url } from '../kernel/base/bytes.ts'

/** What a peer says of itself, under its signature. */
export interface SignedPeer {
  readonly peer: string
  /** Milliseconds of its clock when it said so: a higher number replaces a lower one. */
  readonly sequence: number
  readonly addresses: readonly Multiaddr[]
  /** The signed envelope in base64url. */
  readonly record: string
}

/**
 * Opens a signed peer record (libp2p RFC 0002 and 0003). Throws for anything but an envelope that the peer it is about signed, and for one with
 * more than `LIMITS.announcementAddresses` addresses.
 */
export async function openPeerRecord(record: string): Promise<SignedPeer> {
  if (record.length > LIMITS.peerRecordCharacters) {
    throw new RangeError(`a record of ${record.length} characters; at most ${LIMITS.peerRecordCharacters} are allowed`)
  }
  const envelope = await RecordEnvelope.openAndCertify(fromBase64Url(record), PeerRecord.DOMAIN)
  const signer = peerIdFromCID(envelope.publicKey.toCID())
  const { peerId, multiaddrs, seqNumber } = PeerRecord.createFromProtobuf(envelope.payload)
  if (!peerId.equals(signer)) throw new Error(`a record about ${peerId} that ${signer} signed`)
  if (multiaddrs.length > LIMITS.announcementAddresses) {
    throw new RangeError(`${multiaddrs.length} addresses; at most ${LIMITS.announcementAddresses} are allowed`)
  }
  return { peer: peerId.toString(), sequence: Number(seqNumber), addresses: multiaddrs, record }
}

/** The text of a signed envelope; undefined for one that is too long to be told. */
export function recordText(envelope: Uint8Array): string | undefined {
  const text = toBase64Url(envelope)
  return text.length > LIMITS.peerRecordCharacters ? undefined : text
}
