import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { KeyRecord } from '../../../protocol/manifest.ts'
import { sampleManifest } from '../../../scripts/vectors/publishers.ts'
import { toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { newSeed } from '../../../src/kernel/identity/keys.ts'
import { verifyManifest } from '../../../src/kernel/identity/manifest-signature.ts'
import {
  createPublisherKeys,
  loadPublisherKeyFile,
  publisherKeys,
  savePublisherKeyFile,
} from '../../../src/kernel/identity/manifest-signer.ts'
import { keyRecordDigest, verifyKeyRecords } from '../../../src/kernel/identity/publisher.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../../src/kernel/identity/verify-pure.ts'

const folder = await mkdtemp(join(tmpdir(), 'cytoplex-signer-'))
after(() => rm(folder, { recursive: true }))
const startError = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StartError, String(error))
  assert.match(error.message, message)
  return true
}

for (const hybrid of [false, true]) {
  test(`a new ${hybrid ? 'hybrid ' : ''}publisher signs what both verifiers accept`, () => {
    const file = createPublisherKeys({ kind: 'publisher', hybrid })
    const keys = publisherKeys(file)
    assert.ok(Compile(KeyRecord).Check(keys.record))
    assert.equal(keys.publisher, keyRecordDigest(file.records[0]!))
    assert.deepEqual(verifyKeyRecords(nativeVerifier, 'test', keys.records).current, keys.record)
    const manifest = sampleManifest(file)
    const token = keys.signManifest('test', manifest)
    const algorithms = hybrid ? ['ed25519', 'ml-dsa-65'] : ['ed25519']
    for (const verifier of [nativeVerifier, pureVerifier]) {
      const verdict = verifyManifest(verifier, 'test', manifest, token)
      assert.deepEqual(verdict, { publisher: keys.publisher, kind: 'publisher', algorithms })
    }
  })
}

test('a manifest of another publisher is not signed', () => {
  const manifest = sampleManifest(createPublisherKeys({ kind: 'publisher' }))
  const stranger = publisherKeys(createPublisherKeys({ kind: 'publisher' }))
  assert.throws(() => stranger.signManifest('test', manifest), TypeError)
})

test('a key file comes back from the disk, for its owner alone, and is never overwritten', async () => {
  const path = join(folder, 'publisher.json')
  const file = createPublisherKeys({ kind: 'publisher', hybrid: true })
  savePublisherKeyFile(path, file)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(loadPublisherKeyFile(path), file)
  const before = await readFile(path, 'utf8')
  const other = createPublisherKeys({ kind: 'publisher' })
  assert.throws(() => savePublisherKeyFile(path, other), startError(/publisher\.json exists already/))
  assert.equal(await readFile(path, 'utf8'), before)
  assert.deepEqual(await readdir(folder), ['publisher.json'])
})

test('a key file that others may read is refused, and the remedy named', async () => {
  const path = join(folder, 'open.json')
  savePublisherKeyFile(path, createPublisherKeys({ kind: 'publisher' }))
  for (const mode of [0o640, 0o604, 0o620]) {
    await chmod(path, mode)
    assert.throws(() => loadPublisherKeyFile(path), startError(/has mode 6[024][04]; run: chmod 600 .*open\.json$/))
  }
})

test('a missing or corrupt key file is refused, and its secrets are not repeated', async () => {
  assert.throws(() => loadPublisherKeyFile(join(folder, 'none.json')), startError(/none\.json does not exist/))
  const file = createPublisherKeys({ kind: 'publisher' })
  const text = JSON.stringify(file)
  const secret = file.seeds.ed25519
  const corrupt: [string, RegExp][] = [
    ['', /not valid JSON/],
    [text.slice(0, -5), /not valid JSON/],
    [`x${text}`, /not valid JSON/],
    ['{}', /it lacks format, records/],
    [JSON.stringify({ ...file, seeds: { ed25519: `${secret}!` } }), /it\.seeds\.ed25519 must match pattern/],
    [JSON.stringify({ ...file, seeds: { ed25519: secret.slice(0, -2) } }), /not base64url/],
    [JSON.stringify({ ...file, seeds: { ed25519: secret.slice(0, -3) } }), /a seed has 32 bytes, this one 30/],
    [JSON.stringify({ ...file, seeds: { ed25519: toBase64Url(newSeed()) } }), /seed is not that of a key/],
    [JSON.stringify({ ...file, recovery_seed: toBase64Url(newSeed()) }), /recovery seed is not the one/],
    [JSON.stringify({ ...file, records: [] }), /it\.records/],
    [JSON.stringify({ ...file, more: secret }), /unknown fields: more/],
  ]
  const path = join(folder, 'corrupt.json')
  for (const [content, reason] of corrupt) {
    await writeFile(path, content, { mode: 0o600 })
    assert.throws(() => loadPublisherKeyFile(path), startError(reason))
    assert.throws(
      () => loadPublisherKeyFile(path),
      (error: Error) => !error.message.includes(secret.slice(0, 6)),
    )
  }
})
