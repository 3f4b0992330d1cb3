import { X509Certificate } from 'node:crypto'
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { concatBytes, utf8 } from '../kernel/base/bytes.ts'

/** DER of the object identifier 1.3.6.1.4.1.53594.1.1: libp2p's extension. */
const EXTENSION = Buffer.from('060a2b0601040183a25a0101', 'hex')
const SIGNED_PREFIX = utf8('libp2p-tls-handshake:')
/** Bytes of a certificate at most: those of libp2p have some 500. */
const MOST_BYTES = 8192

const SEQUENCE = 0x30
const OCTETS = 0x04
/** Of the extensions in a certificate. */
const EXTENSIONS = 0xa3

/** A DER value: its tag, and its content; `whole` is both with the length. */
interface Der {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

/**
 * The peer that a certificate of libp2p's TLS (specs/tls/tls.md) belongs to: signed by its own key, valid now, and that key signed by the peer's identity. That
 * the other end has the key is what the handshake proves. Throws for every other certificate.
 */
export async function peerOfCertificate(raw: Uint8Array, now: number = Date.now()): Promise<PeerId> {
  if (raw.length > MOST_BYTES)
    throw new RangeError(`a certificate of ${raw.length} bytes; at most ${MOST_BYTES} are allowed`)
  const certificate = new X509Certificate(raw)
  if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) {
    throw new Error(`the certificate is valid from ${certificate.validFrom} to ${certificate.validTo}`)
  }
  const { publicKey } = certificate
  if (!certificate.verify(publicKey)) throw new Error('the certificate is not signed by its own key')
  const [identity, signature] = signedKey(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength))
  const key = publicKeyFromProtobuf(identity)
  const signed = concatBytes([SIGNED_PREFIX, publicKey.export({ type: 'spki', format: 'der' })])
  if (!(await key.verify(signed, signature))) throw new Error('the identity did not sign the key of the certificate')
  return peerIdFromPublicKey(key)
}

/** What libp2p's extension holds: the identity, and its signature. */
function signedKey(raw: Buffer): [identity: Buffer, signature: Buffer] {
  const body = members(only(raw, SEQUENCE))[0]
  const extensions = members(body?.content).find(({ tag }) => tag === EXTENSIONS)
  for (const { content } of members(only(extensions?.content, SEQUENCE))) {
    const [name, ...rest] = members(content)
    if (name === undefined || !name.whole.equals(EXTENSION)) continue
    const [identity, signature] = members(only(only(rest.at(-1)?.whole, OCTETS), SEQUENCE))
    if (identity?.tag === OCTETS && signature?.tag === OCTETS) return [identity.content, signature.content]
  }
  throw new Error('the certificate does not have the extension of libp2p')
}

/** The content of the single value of that tag in `bytes`. */
function only(bytes: Buffer | undefined, tag: number): Buffer {
  const [value, more] = members(bytes)
  if (value?.tag !== tag || more !== undefined) throw new Error('the certificate has another form')
  return value.content
}

/** The values that `bytes` are made of, one behind the other. */
function members(bytes: Buffer | undefined): Der[] {
  const found: Der[] = []
  for (let at = 0; bytes !== undefined && at < bytes.length; ) {
    const tag = bytes.readUInt8(at)
    const first = bytes.readUInt8(at + 1)
    // 0x80 and above: how many bytes the length has.
    const lengthBytes = first < 0x80 ? 0 : first - 0x80
    if (lengthBytes > 2) throw new Error('the certificate has another form')
    const start = at + 2 + lengthBytes
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes)
    if (start + length > bytes.length) throw new Error('the certificate has another form')
    found.push({ tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) })
    at = start + length
  }
  return found
}
