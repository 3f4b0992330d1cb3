import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ACCESS_LIMITS } from '../../../protocol/access.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { QuantumSignatureCase } from '../../../scripts/vectors/quantum-signature.ts'
import { concatBytes, fromBase64Url, toBase64Url, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, mlDsa65FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import {
  newRequestKeys,
  type RequestKeys,
  type RequestTarget,
  signRequest,
  verifyRequest,
  verifyRequestLater,
} from '../../../src/kernel/identity/quantum-signature.ts'
import { signedBytes } from '../../../src/kernel/identity/signed.ts'
import { nativeVerifier, pooledVerifier } from '../../../src/kernel/identity/verify.ts'
import { pureVerifier, type SignatureVerifier } from '../../../src/kernel/identity/verify-pure.ts'
import { readVectors } from '../../vectors/read.ts'

const NOW = Date.UTC(2026, 0, 31, 12)
const NONCE = 'AAECAwQFBgcICQoLDA0ODw'
const classical: RequestKeys = { ed25519: ed25519FromSeed(newSeed()) }
const hybrid: RequestKeys = { ...classical, mlDsa65: mlDsa65FromSeed(newSeed()) }
const request: RequestTarget = {
  audience: providerIdOf(ed25519FromSeed(newSeed()).publicKey),
  method: 'POST',
  path: '/api/v1/cells/request',
  body: { request_id: 'r-1', capability: 'text.transform' },
}

const verify = (token: string, target = request, now = NOW, verifier: SignatureVerifier = nativeVerifier) =>
  verifyRequest(verifier, 'main', token, target, now)

const refuses = (message: RegExp, token: string, target = request, now = NOW) =>
  assert.throws(
    () => verify(token, target, now),
    (error) => {
      assert.ok(error instanceof ProviderError)
      assert.equal(error.code, 'PROV_004')
      assert.equal(error.status, 401)
      assert.match(error.message, message)
      return true
    },
  )

/** The token's header as an object, to be put back changed. */
const headerOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>
const withHeaderText = (token: string, text: string): string => `qs1.${toBase64Url(utf8(text))}.${token.split('.')[2]}`

for (const [name, verifier] of Object.entries({ native: nativeVerifier, pure: pureVerifier })) {
  test(`quantum-signature.json with ${name} verification`, () => {
    const { cases } = readVectors<{ cases: QuantumSignatureCase[] }>('quantum-signature.json')
    assert.ok(cases.length > 40)
    for (const { about, network, now, target, token, verdict } of cases) {
      const judged = () => verifyRequest(verifier, network, token, target, now)
      if (verdict === null)
        assert.throws(judged, (error) => error instanceof ProviderError && error.code === 'PROV_004', about)
      else assert.deepEqual(judged(), verdict, about)
    }
  })
}

test('quantum-signature.json with verification in the thread pool', async () => {
  const { cases } = readVectors<{ cases: QuantumSignatureCase[] }>('quantum-signature.json')
  for (const { about, network, now, target, token, verdict } of cases) {
    const judged = verifyRequestLater(pooledVerifier, network, token, target, now)
    if (verdict === null)
      await assert.rejects(judged, (error) => error instanceof ProviderError && error.code === 'PROV_004', about)
    else assert.deepEqual(await judged, verdict, about)
  }
})

test('a signature proves which key made the request, with which nonce and when', () => {
  const key = `ed25519:${toHex(classical.ed25519.publicKey)}`
  assert.deepEqual(verify(signRequest(classical, 'main', request, NOW, NONCE)), { key, nonce: NONCE, ts: NOW })
})

test('a hybrid pseudonym is neither that of its classical key nor that of another pair', () => {
  const other: RequestKeys = { ...classical, mlDsa65: mlDsa65FromSeed(newSeed()) }
  const names = [classical, hybrid, other].map((keys) => verify(signRequest(keys, 'main', request, NOW)).key)
  assert.equal(new Set(names).size, 3)
  assert.match(names[1]!, /^ed25519\+ml-dsa-65:[0-9a-f]{64}$/)
})

test('keys made for browsers sign what Node verifies, and are fresh', () => {
  for (const options of [{}, { hybrid: true }]) {
    const names = [newRequestKeys(options), newRequestKeys(options)].map((keys) => {
      const token = signRequest(keys, 'main', request, NOW)
      return verify(token).key
    })
    assert.notEqual(names[0], names[1])
  }
})

test('nonces are fresh unless they are given', () => {
  const nonces = Array.from({ length: 50 }, () => verify(signRequest(classical, 'main', request, NOW)).nonce)
  assert.equal(new Set(nonces).size, 50)
})

test('what is wrong is named', () => {
  const token = signRequest(classical, 'main', request, NOW, NONCE)
  refuses(/is meant for .*, this is 12D3/, token, { ...request, audience: providerIdOf(classical.ed25519.publicKey) })
  refuses(/is for POST, this is PUT$/, token, { ...request, method: 'PUT' })
  refuses(/is for the path "\/api\/v1\/cells\/request", this is "\/"$/, token, { ...request, path: '/' })
  refuses(/is 301 s old, at most 300 s are allowed$/, token, request, NOW + 301_000)
  refuses(/is 301 s ahead, at most 300 s are allowed$/, token, request, NOW - 301_000)
  refuses(/its Ed25519 part is wrong for this request in the network main$/, token, { ...request, body: {} })
  refuses(/must have the form qs1\.<header>\.<signatures>$/, 'qs1.')
  refuses(/header that cannot be read: not base64url/, 'qs1.!.A')
  refuses(/header that cannot be read: .*JSON/, withHeaderText(token, '{'))
  refuses(/is refused: header lacks aud, keys, method/, withHeaderText(token, '{"alg":"ed25519"}'))
  refuses(/has 1 keys, ed25519\+ml-dsa-65 needs 2$/, token.replace(/^.*\./, hybridHeaderWithOneKey()))
  refuses(
    /has 63 bytes of signatures, ed25519 needs 64$/,
    `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(84)}`,
  )
  refuses(/has \d+ characters, at most \d+ are allowed$/, `qs1.${'A'.repeat(ACCESS_LIMITS.quantumSignature)}`)
})

function hybridHeaderWithOneKey(): string {
  const token = signRequest(hybrid, 'main', request, NOW)
  const header = headerOf(token)
  const keys = (header.keys as string[]).slice(0, 1)
  return withHeaderText(token, JSON.stringify({ ...header, keys })).replace(/[^.]*$/, '')
}

test('the longest hybrid signature that the contract knows is within its limit', () => {
  const path = `/${'x'.repeat(ACCESS_LIMITS.requestPath - 1)}`
  const longest = { ...request, method: 'M'.repeat(16), path }
  const token = signRequest(hybrid, 'main', longest, NOW, 'N'.repeat(64))
  assert.ok(token.length <= ACCESS_LIMITS.quantumSignature, `${token.length} characters`)
  assert.equal(verify(token, longest).nonce, 'N'.repeat(64))
  refuses(/header\.path/, signRequest(classical, 'main', { ...request, path: `${path}x` }, NOW))
})

test('no part of a hybrid signature can be left out, replaced or taken from another request', () => {
  const token = signRequest(hybrid, 'main', request, NOW, NONCE)
  const [, header, part] = token.split('.')
  const signatures = fromBase64Url(part!)
  const withSignatures = (bytes: Uint8Array) => `qs1.${header}.${toBase64Url(bytes)}`
  const elsewhere = fromBase64Url(signRequest(hybrid, 'main', { ...request, body: {} }, NOW, NONCE).split('.')[2]!)
  const halves = (first: Uint8Array, second: Uint8Array) =>
    withSignatures(concatBytes([first.subarray(0, 64), second.subarray(64)]))
  assert.ok(verify(halves(signatures, signatures)))
  refuses(/its ML-DSA-65 part is wrong/, halves(signatures, elsewhere))
  refuses(/its Ed25519 part is wrong/, halves(elsewhere, signatures))
  refuses(/has 64 bytes of signatures/, withSignatures(signatures.subarray(0, 64)))
  const keys = headerOf(token).keys as string[]
  const stripped = withHeaderText(token, JSON.stringify({ ...headerOf(token), alg: 'ed25519', keys: keys.slice(0, 1) }))
  refuses(/its Ed25519 part is wrong/, stripped.replace(/[^.]*$/, toBase64Url(signatures.subarray(0, 64))))
})

test('a signature of any other kind is none of a request', () => {
  const token = signRequest(classical, 'main', request, NOW, NONCE)
  const header = headerOf(token)
  const object = { header, body: request.body }
  for (const context of Object.values(CONTEXTS)) {
    const signature = toBase64Url(classical.ed25519.sign(signedBytes('main', context, object)))
    const forged = token.replace(/[^.]*$/, signature)
    if (context === CONTEXTS.request) assert.equal(forged, token)
    else refuses(/its Ed25519 part is wrong/, forged)
  }
})

test('a body with any single change is refused, in whatever order its members come', () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((body) => {
    const { quantum_signature: _, ...rest } = JSON.parse(JSON.stringify(body)) as Record<string, unknown>
    return rest
  })
  fc.assert(
    fc.property(json, json, (body, other) => {
      fc.pre(isWellFormed(body) && isWellFormed(other))
      const token = signRequest(classical, 'main', { ...request, body }, NOW)
      const reordered = Object.fromEntries(Object.entries(body).toReversed())
      assert.ok(verify(token, { ...request, body: { ...reordered, quantum_signature: token } }))
      if (JSON.stringify(sorted(body)) !== JSON.stringify(sorted(other))) {
        assert.throws(() => verify(token, { ...request, body: other }), ProviderError)
      }
    }),
    { numRuns: 200 },
  )
})

const isWellFormed = (value: unknown): boolean => !/\\ud[89a-f]/i.test(JSON.stringify(value))

/** Members in one order, so that two texts can be compared. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, sorted(item)])
}

test('a token with any character changed, left out or added is refused', () => {
  const token = signRequest(classical, 'main', request, NOW, NONCE)
  const position = fc.nat(token.length - 1)
  const character = fc.oneof(
    fc.constantFrom(...'ABCwxyz0189-_.=+/ \n'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  )
  fc.assert(
    fc.property(position, character, fc.constantFrom(0, 1), (at, put, removed) => {
      const changed = token.slice(0, at) + put + token.slice(at + removed)
      fc.pre(changed !== token)
      assert.throws(() => verify(changed), ProviderError)
    }),
    { numRuns: 400 },
  )
  for (let at = 0; at < token.length; at++) {
    assert.throws(() => verify(token.slice(0, at) + token.slice(at + 1)), ProviderError, `without character ${at}`)
  }
})

test('a request that differs in anything that is signed is refused', () => {
  const path = fc.webPath().map((text) => `/${text}`.slice(0, 200))
  const target = fc.record({
    audience: fc.constantFrom(request.audience, providerIdOf(classical.ed25519.publicKey)),
    method: fc.constantFrom('GET', 'POST', 'DELETE'),
    path: fc.oneof(fc.constant(request.path), path),
    body: fc.constantFrom(undefined, {}, { a: 1 }, { a: '1' }, { a: [1] }, { a: null }),
  })
  const offset = fc.integer({ min: -2 * LIMITS.clockSkewMs, max: 2 * LIMITS.clockSkewMs })
  fc.assert(
    fc.property(target, target, offset, (from, to, late) => {
      fc.pre(/^\/[!-~]*$/.test(from.path))
      const token = signRequest(classical, 'main', from, NOW, NONCE)
      const isSame = JSON.stringify(from) === JSON.stringify(to)
      if (isSame && Math.abs(late) <= LIMITS.clockSkewMs) assert.equal(verify(token, to, NOW + late).nonce, NONCE)
      else assert.throws(() => verify(token, to, NOW + late), ProviderError)
    }),
    { numRuns: 300 },
  )
})
