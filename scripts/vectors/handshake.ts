import { LIMITS } from '../../protocol/limits.ts'
import { concatBytes, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ephemeralKey } from '../../src/kernel/identity/key-agreement.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { answerHandshake, type HandshakeSecrets, openHandshake, type WireIdentity } from '../../src/network/session.ts'
import { peerSession } from '../../src/network/session-key.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** One end of the handshake: everything that it does not learn from the other. Hexadecimal, but for the id. */
export interface HandshakeEnd {
  readonly provider_id: string
  readonly identity_seed: string
  readonly wire_seed: string
  readonly ephemeral_private: string
  readonly ephemeral_public: string
  readonly nonce: string
}

/** A handshake, from the secrets of both ends to what they have afterwards. */
export interface HandshakeVector {
  readonly about: string
  readonly network: string
  /** Unix milliseconds at both ends. */
  readonly now: number
  readonly opener: HandshakeEnd
  readonly other: HandshakeEnd
  /** The frames' payloads. */
  readonly challenge: string
  readonly response: string
  readonly shared_secret: string
  readonly salt: string
  readonly session: string
  readonly session_key: string
  /** Keys by label. */
  readonly derived: Readonly<Record<string, string>>
  /** X25519 public keys that are refused. */
  readonly small_order: readonly string[]
}

const NOW = Date.UTC(2026, 0, 31, 12)
const YEAR_MS = 365 * 24 * 3600 * 1000

/** Public keys with which every private key agrees on zero: the points of small order of the curve and its twist, and their other encodings (RFC 7748 §6.1). */
export const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  `${'00'.repeat(31)}80`,
  `01${'00'.repeat(30)}80`,
]

interface End {
  readonly wire: WireIdentity
  readonly secrets: HandshakeSecrets
  readonly written: HandshakeEnd
}

function end(name: string): End {
  const identitySeed = namedSeed(`${name} identity`)
  const identity = ed25519FromSeed(identitySeed)
  const wireSeed = namedSeed(`${name} wire`)
  const key = ed25519FromSeed(wireSeed)
  const ephemeralPrivate = namedSeed(`${name} ephemeral`)
  const secrets = { nonce: namedSeed(`${name} nonce`), ephemeral: ephemeralKey(ephemeralPrivate) }
  const providerId = providerIdOf(identity.publicKey)
  const certificate = issueRoleCertificate({
    identity,
    network: NETWORK,
    role: 'wire',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: NOW - YEAR_MS,
    notAfter: NOW + YEAR_MS,
  })
  return {
    wire: { network: NETWORK, providerId, key, certificate, verifier: nativeVerifier, clock: { now: () => NOW } },
    secrets,
    written: {
      provider_id: providerId,
      identity_seed: toHex(identitySeed),
      wire_seed: toHex(wireSeed),
      ephemeral_private: toHex(ephemeralPrivate),
      ephemeral_public: toHex(secrets.ephemeral.publicKey),
      nonce: toHex(secrets.nonce),
    },
  }
}

/** One handshake with fixed secrets. */
export function handshakeVectors(): HandshakeVector {
  const opener = end('opener')
  const other = end('other')
  const { challenge } = openHandshake(opener.wire, other.wire.providerId, opener.secrets)
  const { response, session } = answerHandshake(other.wire, opener.wire.providerId, utf8(challenge), other.secrets)
  const ids = [opener.wire.providerId, other.wire.providerId].sort().map(utf8)
  const { derive } = peerSession(session.id, session.key, NETWORK)
  return {
    about:
      'The ephemeral keys are X25519. salt = SHA-256(challenge nonce || response nonce || lower id || higher id), session = ' +
      "SHA-256(challenge nonce || response nonce || opener's id || other's id); session_key = HKDF-SHA256(shared secret, salt, " +
      '"cytoplex/<network>/session-key/v1"), derived = HKDF-SHA256(session_key, no salt, "cytoplex/<network>/session-key/<label>/v1"), ' +
      `32 bytes each. Certificates and signatures are deterministic. Clocks may differ by ${LIMITS.clockSkewMs} ms.`,
    network: NETWORK,
    now: NOW,
    opener: opener.written,
    other: other.written,
    challenge,
    response,
    shared_secret: toHex(opener.secrets.ephemeral.agree(other.secrets.ephemeral.publicKey)),
    salt: toHex(sha256(concatBytes([opener.secrets.nonce, other.secrets.nonce, ...ids]))),
    session: session.id,
    session_key: toHex(session.key),
    derived: Object.fromEntries(['sync', 'a/b'].map((label) => [label, toHex(derive(label))])),
    small_order: SMALL_ORDER,
  }
}
