import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { LIMITS } from '../../protocol/limits.ts'
import { concatBytes, toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import {
  type RequestKeys,
  type RequestTarget,
  signRequest,
  type VerifiedRequest,
} from '../../src/kernel/identity/quantum-signature.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A request, a token, and what the token proves at the time `now`; null when it must be refused. */
export interface QuantumSignatureCase {
  readonly about: string
  readonly network: string
  readonly now: number
  readonly target: RequestTarget
  readonly token: string
  readonly verdict: VerifiedRequest | null
}

/** When everything in the file was signed, Unix milliseconds. */
const SIGNED_AT = Date.UTC(2026, 0, 31, 12)
const NONCE = 'AAECAwQFBgcICQoLDA0ODw'

const provider = providerIdOf(ed25519FromSeed(namedSeed('asked provider')).publicKey)
const stranger = providerIdOf(ed25519FromSeed(namedSeed('another provider')).publicKey)

const classical: RequestKeys = { ed25519: ed25519FromSeed(namedSeed('request')) }
const hybrid: RequestKeys = { ...classical, mlDsa65: mlDsa65(namedSeed('request ml-dsa-65')) }

/** Signs in the deterministic variant (FIPS 204 §3.4). */
function mlDsa65(seed: Uint8Array): RequestKeys['ed25519'] {
  const { publicKey, secretKey } = ml_dsa65.keygen(seed)
  return { publicKey, sign: (message) => ml_dsa65.sign(message, secretKey, { extraEntropy: false }) }
}

const request: RequestTarget = {
  audience: provider,
  method: 'POST',
  path: '/api/v1/cells/request',
  body: { request_id: 'r-1', capability: 'text.transform', context: { device_info: { memory_gb: 0.5 } } },
}
const reading: RequestTarget = { audience: provider, method: 'GET', path: '/api/v1/cells/request/r-1?wait=5' }

const signed = (target: RequestTarget, keys = classical, network = NETWORK): string =>
  signRequest(keys, network, target, SIGNED_AT, NONCE)

/** A token with other fields in its header, and the same signatures. */
function withHeader(token: string, change: object): string {
  const [, header = '', signatures] = token.split('.')
  const fields: unknown = JSON.parse(Buffer.from(header, 'base64url').toString())
  return `qs1.${toBase64Url(utf8(canonicalJson({ ...(fields as object), ...change })))}.${signatures}`
}

/** A token with other signatures. */
function withSignatures(token: string, change: (signatures: Buffer) => Uint8Array): string {
  const [prefix, header, signatures = ''] = token.split('.')
  return `${prefix}.${header}.${toBase64Url(change(Buffer.from(signatures, 'base64url')))}`
}

/** Inverts one bit of the byte at `index`. */
const flipped =
  (index: number) =>
  (signatures: Buffer): Uint8Array =>
    signatures.map((byte, at) => (at === index ? byte ^ 1 : byte))

/** A token whose header is spelled `text`. */
const spelled = (token: string, text: string): string => `qs1.${toBase64Url(utf8(text))}.${token.split('.')[2]}`

/** Quantum signatures that hold, and signatures that do not. */
export function quantumSignatureVectors(): { about: string; cases: QuantumSignatureCase[] } {
  const token = signed(request)
  const both = signed(request, hybrid)
  const headerText = Buffer.from(token.split('.')[1]!, 'base64url').toString()
  const fields = JSON.parse(headerText) as { keys: string[] }
  const hybridKeys = [hybrid.ed25519, hybrid.mlDsa65!].map((key) => toBase64Url(key.publicKey))
  const at = (about: string, target: RequestTarget, text: string, now: number, network = NETWORK) => ({
    about,
    network,
    now,
    target,
    token: text,
  })
  const good = (about: string, target: RequestTarget, text: string, key: string, now = SIGNED_AT) => ({
    ...at(about, target, text, now),
    verdict: { key, nonce: NONCE, ts: SIGNED_AT },
  })
  const bad = (about: string, target: RequestTarget, text: string, now = SIGNED_AT, network = NETWORK) => ({
    ...at(about, target, text, now, network),
    verdict: null,
  })
  const single = `ed25519:${toHex(classical.ed25519.publicKey)}`
  const pair = `ed25519+ml-dsa-65:${sha256Hex(concatBytes([hybrid.ed25519.publicKey, hybrid.mlDsa65!.publicKey]))}`
  const skew = LIMITS.clockSkewMs
  return {
    about:
      'A quantum signature is "qs1." base64url(header) "." base64url(signatures). The header is {alg, aud, keys, method, ' +
      'nonce, path, ts} in RFC 8785 form. Signed is {header, body} (context "request"), body being the JSON body without ' +
      '"quantum_signature", and left out where there is none. Signatures are raw bytes in the order of alg: Ed25519 (64), ' +
      'ML-DSA-65 (3309). "target" is the request as it arrived at the provider "audience", "now" its time in Unix ' +
      'milliseconds. "verdict" is null where the token must be refused; else "key" is the algorithm, and the raw key ' +
      '(ed25519) or the SHA-256 of both raw keys (hybrid) in hexadecimal.',
    cases: [
      good('a request with a body', request, token, single),
      good('its own quantum_signature is not signed', withBody({ quantum_signature: token }), token, single),
      good('a hybrid signature', request, both, pair),
      good('a request without body', reading, signed(reading), single),
      good('an empty body', withBody({}, {}), signed(withBody({}, {})), single),
      good('as old as allowed', request, token, single, SIGNED_AT + skew),
      good('as far ahead as allowed', request, token, single, SIGNED_AT - skew),
      bad('too old', request, token, SIGNED_AT + skew + 1),
      bad('too far ahead', request, token, SIGNED_AT - skew - 1),
      bad('presented in another network', request, token, SIGNED_AT, 'other'),
      bad('signed for another network', request, signed(request, classical, 'other')),
      bad('meant for another provider', { ...request, audience: stranger }, token),
      bad('another method', { ...request, method: 'PUT' }, token),
      bad('another path', { ...request, path: '/api/v1/cells/request/specific' }, token),
      bad('another query', { ...reading, path: '/api/v1/cells/request/r-1?wait=6' }, signed(reading)),
      bad('another body', withBody({ capability: 'text.segment' }), token),
      bad('a body more', withBody({ more: null }), token),
      bad('the body is missing', { ...request, body: undefined }, token),
      bad('a body where none was signed', { ...reading, body: {} }, signed(reading)),
      bad('the header names another time', request, withHeader(token, { ts: SIGNED_AT + 1 })),
      bad('the header names another nonce', request, withHeader(token, { nonce: `${NONCE.slice(0, -1)}A` })),
      bad('the header names another key', request, withHeader(token, { keys: [toBase64Url(namedSeed('no key'))] })),
      bad('a key of small order', request, withHeader(token, { keys: [toBase64Url(smallOrder)] })),
      bad('a nonce that is too short', request, signRequest(classical, NETWORK, request, SIGNED_AT, 'A'.repeat(21))),
      bad('the Ed25519 signature is wrong', request, withSignatures(token, flipped(5))),
      bad(
        'a signature that is too short',
        request,
        withSignatures(token, (bytes) => bytes.subarray(1)),
      ),
      bad(
        'a signature that is too long',
        request,
        withSignatures(token, (bytes) => concatBytes([bytes, bytes])),
      ),
      bad('the post-quantum half is stripped', request, downgraded(both, fields.keys)),
      bad('the post-quantum half is wrong', request, withSignatures(both, flipped(64))),
      bad('the classical half is wrong', request, withSignatures(both, flipped(5))),
      bad(
        'the halves are swapped',
        request,
        withSignatures(both, (bytes) => swapped(bytes)),
      ),
      bad('the keys are swapped', request, withHeader(both, { keys: hybridKeys.toReversed() })),
      bad('hybrid with one key', request, withHeader(both, { keys: fields.keys })),
      bad('classical with two keys', request, withHeader(token, { keys: hybridKeys })),
      bad('an unknown algorithm', request, withHeader(token, { alg: 'none' })),
      bad('a field more in the header', request, withHeader(token, { more: 1 })),
      bad('a header that is not in canonical form', request, spelled(token, headerText.replace(',"aud"', ', "aud"'))),
      bad('a key twice in the header', request, spelled(token, headerText.replace('{', '{"alg":"ed25519",'))),
      bad('a header that is no JSON', request, spelled(token, '{')),
      bad('base64url with padding', request, `${token}==`),
      bad('another prefix', request, `qs2${token.slice(3)}`),
      bad('a part more', request, `${token}.`),
      bad('no signatures', request, token.slice(0, token.lastIndexOf('.'))),
      bad('nothing', request, ''),
    ],
  }
}

const withBody = (change: object, body: object = request.body!): RequestTarget => ({
  ...request,
  body: { ...body, ...change },
})

const smallOrder = Uint8Array.of(1, ...new Uint8Array(31))

const swapped = (signatures: Buffer): Uint8Array => concatBytes([signatures.subarray(64), signatures.subarray(0, 64)])

/** What somebody in between would make of a hybrid token: the classical half alone. */
const downgraded = (token: string, keys: string[]): string =>
  withSignatures(withHeader(token, { alg: 'ed25519', keys }), (signatures) => signatures.subarray(0, 64))
