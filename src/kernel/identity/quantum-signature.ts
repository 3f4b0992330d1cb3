import { getPublicKey, sign } from '@noble/ed25519'
import { sha256 } from '@noble/hashes/sha2.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { ACCESS_LIMITS, QuantumSignatureHeader, type RequestAlgorithm } from '../../../protocol/access.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { concatBytes, fromBase64Url, toBase64Url, toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, ProviderError } from '../base/errors.ts'
import { schemaFinding } from '../base/schema-findings.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { decoded, signedBytes } from './signed.ts'
import { type AsyncSignatureVerifier, ML_DSA_65_SIGNATURE_BYTES, type SignatureVerifier } from './verify-pure.ts'

/** Quantum signatures: which key made a request, for whom, and when. Browser-safe. */

const headerSchema = checkerOf(QuantumSignatureHeader)
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const TOKEN_PREFIX = 'qs1.'
const NONCE_BYTES = 16
const SEED_BYTES = 32
/** The Ed25519 part comes first (RFC 8032 §5.1.6). */
const ED25519_SIGNATURE_BYTES = 64
const SIGNATURE_BYTES = {
  ed25519: ED25519_SIGNATURE_BYTES,
  'ed25519+ml-dsa-65': ED25519_SIGNATURE_BYTES + ML_DSA_65_SIGNATURE_BYTES,
} as const satisfies Record<RequestAlgorithm, number>

/** A request as its signature sees it. */
export interface RequestTarget {
  /** Provider id of the node that is asked. */
  readonly audience: string
  readonly method: string
  /** Request target in origin form, with the query. */
  readonly path: string
  /** JSON body; its own `quantum_signature` is not looked at. Absent for a request without body. */
  readonly body?: Readonly<Record<string, unknown>> | undefined
}

/** One key pair, with raw bytes: a `SigningKey` of this room, or one of {@link newRequestKeys}. */
export interface RequestKey {
  readonly publicKey: Uint8Array
  /** The signature of a message. */
  sign(message: Uint8Array): Uint8Array
}

/** What signs a request: with `mlDsa65` the signature is a hybrid one. */
export interface RequestKeys {
  readonly ed25519: RequestKey
  readonly mlDsa65?: RequestKey
}

/** Who made a request. */
export interface VerifiedRequest {
  /** Pseudonym: `ed25519:` and the key, or `ed25519+ml-dsa-65:` and the SHA-256 of both keys, in hexadecimal. */
  readonly key: string
  /** Not to be accepted from this key again. */
  readonly nonce: string
  /** Unix milliseconds. */
  readonly ts: number
}

/** Fresh keys that sign in any runtime. A key per request leaves nothing that links the requests. */
export function newRequestKeys({ hybrid = false } = {}): RequestKeys {
  // The library has its SHA-512 from `verify-pure.ts`.
  const seed = randomBytes(SEED_BYTES)
  const ed25519 = { publicKey: getPublicKey(seed), sign: (message: Uint8Array) => sign(message, seed) }
  if (!hybrid) return { ed25519 }
  const { publicKey, secretKey } = ml_dsa65.keygen(randomBytes(SEED_BYTES))
  return { ed25519, mlDsa65: { publicKey, sign: (message) => ml_dsa65.sign(message, secretKey) } }
}

/**
 * The quantum signature of a request, for its `quantum_signature` or, without a body, its header `Quantum-Signature`. `ts` is the time
 * in Unix milliseconds. Throws `TypeError` for a body without canonical form.
 */
export function signRequest(
  { ed25519, mlDsa65 }: RequestKeys,
  network: string,
  { audience, method, path, body }: RequestTarget,
  ts: number,
  nonce: string = toBase64Url(randomBytes(NONCE_BYTES)),
): string {
  const keys = mlDsa65 === undefined ? [ed25519] : [ed25519, mlDsa65]
  const header: QuantumSignatureHeader = {
    alg: mlDsa65 === undefined ? 'ed25519' : 'ed25519+ml-dsa-65',
    aud: audience,
    keys: keys.map((key) => toBase64Url(key.publicKey)),
    method,
    nonce,
    path,
    ts,
  }
  const message = requestBytes(network, header, body)
  const signatures = concatBytes(keys.map((key) => key.sign(message)))
  return `${TOKEN_PREFIX}${toBase64Url(utf8(canonicalJson(header)))}.${toBase64Url(signatures)}`
}

/**
 * Verifies that `token` signs this request, for this node, at this time (`now`, Unix milliseconds, give or take `LIMITS.clockSkewMs`),
 * with every part that its algorithm names. Whether its nonce was used before is for the caller to find out, afterwards: who cannot sign
 * uses up no nonce. Throws `ProviderError` `PROV_004` with the reason.
 */
export function verifyRequest(
  verifier: SignatureVerifier,
  network: string,
  token: string,
  target: RequestTarget,
  now: number,
): VerifiedRequest {
  const { message, parts, request } = readSigned(network, token, target, now)
  for (const { algorithm, key, signature } of parts) {
    if (!verifier[algorithm](key, message, signature)) throw unproven(algorithm, network)
  }
  return request()
}

/** As {@link verifyRequest}, with a verifier that lets others go on meanwhile. Rejects where that throws. */
export async function verifyRequestLater(
  verifier: AsyncSignatureVerifier,
  network: string,
  token: string,
  target: RequestTarget,
  now: number,
): Promise<VerifiedRequest> {
  const { message, parts, request } = readSigned(network, token, target, now)
  for (const { algorithm, key, signature } of parts) {
    if (!(await verifier[algorithm](key, message, signature))) throw unproven(algorithm, network)
  }
  return request()
}

/** A request that claims to be signed, as far as that shows without its signatures. */
interface SignedRequest {
  readonly message: Uint8Array
  /** All of them have to hold. */
  readonly parts: readonly {
    readonly algorithm: keyof SignatureVerifier
    readonly key: Uint8Array
    readonly signature: Uint8Array
  }[]
  /** Who made the request, when they hold. */
  readonly request: () => VerifiedRequest
}

function readSigned(network: string, token: string, target: RequestTarget, now: number): SignedRequest {
  const { header, signatures } = decodeToken(token)
  const { alg, aud, keys, method, nonce, path, ts } = header
  if (aud !== target.audience) throw refused(`is meant for ${aud}, this is ${target.audience}`)
  if (method !== target.method) throw refused(`is for ${method}, this is ${target.method}`)
  if (path !== target.path) throw refused(`is for the path ${shown(path)}, this is ${shown(target.path)}`)
  if (Math.abs(ts - now) > LIMITS.clockSkewMs) {
    const seconds = Math.round(Math.abs(ts - now) / 1000)
    const side = ts < now ? 'old' : 'ahead'
    throw refused(`is ${seconds} s ${side}, at most ${LIMITS.clockSkewMs / 1000} s are allowed`)
  }
  const [ed25519, mlDsa65] = keys.map(decoded)
  if (ed25519 === undefined) throw unproven('ed25519', network)
  const message = requestBytes(network, header, target.body)
  const classical = {
    algorithm: 'ed25519',
    key: ed25519,
    signature: signatures.subarray(0, ED25519_SIGNATURE_BYTES),
  } as const
  if (alg === 'ed25519') {
    return { message, parts: [classical], request: () => ({ key: `ed25519:${toHex(ed25519)}`, nonce, ts }) }
  }
  if (mlDsa65 === undefined) throw unproven('mlDsa65', network)
  const hybrid = {
    algorithm: 'mlDsa65',
    key: mlDsa65,
    signature: signatures.subarray(ED25519_SIGNATURE_BYTES),
  } as const
  const request = () => ({ key: `${alg}:${toHex(sha256(concatBytes([ed25519, mlDsa65])))}`, nonce, ts })
  return { message, parts: [classical, hybrid], request }
}

/** What is signed. The header names the algorithm, so that no part of a hybrid signature can be left out. */
const requestBytes = (network: string, header: QuantumSignatureHeader, body: RequestTarget['body']): Uint8Array =>
  signedBytes(network, CONTEXTS.request, {
    header,
    body: body === undefined ? undefined : { ...body, quantum_signature: undefined },
  })

/** Header and signatures of a token. Every content has one spelling: another one is refused. */
function decodeToken(token: string): { header: QuantumSignatureHeader; signatures: Uint8Array } {
  if (token.length > ACCESS_LIMITS.quantumSignature) {
    throw refused(`has ${token.length} characters, at most ${ACCESS_LIMITS.quantumSignature} are allowed`)
  }
  const parts = token.startsWith(TOKEN_PREFIX) ? token.slice(TOKEN_PREFIX.length).split('.') : []
  const [headerPart, signaturePart] = parts
  if (parts.length !== 2 || headerPart === undefined || signaturePart === undefined) {
    throw refused(`must have the form ${TOKEN_PREFIX}<header>.<signatures>`)
  }
  const header = decodeHeader(headerPart)
  const algorithms = header.alg.split('+').length
  if (header.keys.length !== algorithms) {
    throw refused(`has ${header.keys.length} keys, ${header.alg} needs ${algorithms}`)
  }
  const signatures = decoded(signaturePart)
  if (signatures === undefined) throw refused('has signatures that are not base64url without padding')
  if (signatures.length !== SIGNATURE_BYTES[header.alg]) {
    throw refused(`has ${signatures.length} bytes of signatures, ${header.alg} needs ${SIGNATURE_BYTES[header.alg]}`)
  }
  return { header, signatures }
}

function decodeHeader(part: string): QuantumSignatureHeader {
  let text: string
  let json: unknown
  try {
    text = decoder.decode(fromBase64Url(part))
    json = parseStrictJson(text)
  } catch (error) {
    throw refused(`has a header that cannot be read: ${errorMessage(error)}`)
  }
  if (!headerSchema.Check(json))
    throw refused(`is refused: ${schemaFinding('header', json, headerSchema.Errors(json))}`)
  if (canonicalJson(json) !== text) throw refused('has a header that is not in canonical form (RFC 8785)')
  return json
}

const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))

const PART_NAMES = { ed25519: 'Ed25519', mlDsa65: 'ML-DSA-65' } as const

const unproven = (algorithm: keyof SignatureVerifier, network: string): ProviderError =>
  refused(`does not hold: its ${PART_NAMES[algorithm]} part is wrong for this request in the network ${network}`)

const shown = (path: string): string => JSON.stringify(path.length > 80 ? `${path.slice(0, 80)}…` : path)

const refused = (reason: string): ProviderError => new ProviderError('PROV_004', `the quantum signature ${reason}`)
