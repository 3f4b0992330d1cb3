import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { sampleManifest, successor } from '../../../scripts/vectors/publishers.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import {
  decodeSignatureToken,
  encodeSignatureToken,
  manifestDigest,
  parseManifest,
  verifyManifest,
} from '../../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, publisherKeys } from '../../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'

const file = createPublisherKeys({ kind: 'publisher' })
const manifest = sampleManifest(file)

const refusesAs = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ProviderError)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

const refuses = (change: object, message: RegExp) =>
  assert.throws(() => parseManifest({ ...manifest, ...change }), refusesAs('PROV_001', message))

test('a manifest is read as it is', () => {
  assert.deepEqual(parseManifest(JSON.parse(JSON.stringify(manifest))), manifest)
})

test('what is wrong with a manifest is named: field, found, allowed', () => {
  refuses({ format: 2 }, /^manifest\.format must be 1, found 2$/)
  refuses({ cell_type: 'Not Good' }, /^manifest\.cell_type must match pattern .*, found "Not Good"$/)
  refuses({ version: '1.0' }, /^manifest\.version .*found "1\.0"/)
  refuses({ version: '1.0.0+build' }, /^manifest\.version /)
  refuses({ capabilities: [] }, /^manifest\.capabilities .*found a list of 0$/)
  refuses({ capabilities: [{ name: 'a' }] }, /^manifest\.capabilities\.0 lacks version$/)
  refuses({ more: 1 }, /^manifest has unknown fields: more$/)
  refuses({ labels: { 'Big Name': 'x' } }, /^manifest\.labels/)
  refuses(
    { package: { ...manifest.package, chunk_size: 1 } },
    /^manifest\.package\.chunk_size must be 1048576, found 1$/,
  )
  refuses({ package: { ...manifest.package, size: 0 } }, /^manifest\.package\.size .*found 0$/)
  refuses({ media_type: `${'x'.repeat(200)}` }, /^manifest\.media_type .*…$/)
  for (const value of [null, 1, 'text', [], undefined]) {
    assert.throws(() => parseManifest(value), refusesAs('PROV_001', /^manifest /))
  }
})

test('versions that cannot be ordered are refused', () => {
  const huge = '99999999999999999999.0.0'
  refuses({ version: huge }, /^manifest\.version must be a semantic version, found "9/)
  refuses({ capabilities: [{ name: 'a', version: huge }] }, /^manifest\.capabilities\.0\.version must be/)
})

test('ranges must be npm semver ranges', () => {
  const withRange = (version_constraint: string) => ({ dependencies: [{ capability: 'a', version_constraint }] })
  for (const range of ['^1.2.0', '>=1 <2 || 3.x', '*', '1.0.0 - 2.0.0'])
    parseManifest({ ...manifest, ...withRange(range) })
  for (const range of ['latest', '>>1', '1.2.3.4', 'not a range']) {
    refuses(withRange(range), /^manifest\.dependencies\.0\.version_constraint must be an npm semver range .*, found "/)
  }
})

test('a capability stands once', () => {
  refuses(
    {
      capabilities: [
        { name: 'a', version: '1.0.0' },
        { name: 'a', version: '2.0.0' },
      ],
    },
    /^manifest\.capabilities\.1\.name repeats "a"/,
  )
})

test('a dependency stands once, with all its constraints', () => {
  const dependencies = ['^1.0.0', '>=1.2.0'].map((version_constraint) => ({ capability: 'a', version_constraint }))
  refuses({ dependencies }, /^manifest\.dependencies\.1\.capability repeats "a"/)
})

test('size and depth are bounded', () => {
  const described = (description: string) => ({ ...manifest.capabilities[0]!, description })
  const capabilities = Array.from({ length: 60 }, (_, i) => ({ ...described('x'.repeat(2000)), name: `c${i}` }))
  refuses({ capabilities }, new RegExp(`bytes in canonical form, at most ${LIMITS.manifestBytes} are allowed`))
  let deep: unknown = 1
  for (let i = 0; i < 20_000; i++) deep = [deep]
  const parameters = [{ name: 'p', type: 't', default: deep }]
  refuses({ capabilities: [{ ...manifest.capabilities[0]!, parameters }] }, /nested deeper than 16 levels/)
})

test('text without a canonical form is refused', () => {
  refuses({ labels: { a: '\ud800' } }, /no canonical form/)
})

test('__proto__ is a field like any other, and so unknown', () => {
  assert.throws(
    () => parseManifest(JSON.parse(`{"__proto__":{"format":1},${JSON.stringify(manifest).slice(1)}`)),
    refusesAs('PROV_001', /unknown fields: __proto__/),
  )
})

test('the digest follows the content, not the order', () => {
  const reversed = Object.fromEntries(Object.entries(manifest).reverse()) as Manifest
  assert.equal(manifestDigest(reversed), manifestDigest(manifest))
  assert.notEqual(manifestDigest({ ...manifest, version: '9.9.9' }), manifestDigest(manifest))
})

test('a token comes back, and has one spelling', () => {
  const token = publisherKeys(file).signManifest('test', manifest)
  const content = decodeSignatureToken(token)
  assert.equal(encodeSignatureToken(content), token)
  for (const wrong of [
    `${token}A`,
    `${token}=`,
    token.slice(4),
    token.toUpperCase(),
    `cs1.${'A'.repeat(LIMITS.manifestSignatureBytes)}`,
  ]) {
    assert.throws(() => decodeSignatureToken(wrong), refusesAs('PROV_001', /^manifest signature/))
  }
})

test('a wrong signature is PROV_005, with the reason', () => {
  const token = publisherKeys(file).signManifest('test', manifest)
  const wrong =
    (of: Manifest, network = 'test') =>
    () =>
      verifyManifest(nativeVerifier, network, of, token)
  assert.throws(wrong({ ...manifest, version: '2.0.0' }), refusesAs('PROV_005', /ed25519 signature is wrong/))
  assert.throws(wrong(manifest, 'other'), refusesAs('PROV_005', /wrong for the network other/))
  assert.throws(wrong({ ...manifest, publisher: '0'.repeat(64) }), refusesAs('PROV_005', /names the publisher 0000/))
})

test('sixteen hybrid key records fit into a token', () => {
  let keys = createPublisherKeys({ kind: 'publisher', hybrid: true })
  const { signing_keys, required_algorithms } = keys.records[0]!
  const { seeds } = keys
  for (let number = 1; number < LIMITS.keyRecords; number++) {
    keys = { ...successor(keys, `many ${number}`, { signing_keys, required_algorithms }, 'test'), seeds }
  }
  const own = sampleManifest(keys)
  const token = publisherKeys(keys).signManifest('test', own)
  assert.ok(token.length <= LIMITS.manifestSignatureBytes, `${token.length} characters`)
  assert.deepEqual(verifyManifest(nativeVerifier, 'test', own, token).algorithms, ['ed25519', 'ml-dsa-65'])
})
