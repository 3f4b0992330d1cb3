import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { CONTEXTS, type SignatureContext } from '../../protocol/contexts.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { KeyRecord, Manifest, ManifestSignature, SignatureAlgorithm } from '../../protocol/manifest.ts'
import type { SignedYank, Yank } from '../../protocol/yank.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, mlDsa65FromSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { encodeSignatureToken, manifestDigest } from '../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, type PublisherKeyFile } from '../../src/kernel/identity/manifest-signer.ts'
import { keyRecordDigest, recoverySignedObject } from '../../src/kernel/identity/publisher.ts'
import { signedBytes } from '../../src/kernel/identity/signed.ts'
import { encodeYankToken } from '../../src/kernel/identity/yank-signature.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A chain of key records; `publisher` is what it proves, null when it must be refused. */
export interface KeyRecordCase {
  readonly about: string
  readonly network: string
  readonly records: KeyRecord[]
  readonly publisher: string | null
}

/** A manifest, a token, and what the token proves; null when it must be refused. */
export interface ManifestSignatureCase {
  readonly about: string
  readonly network: string
  readonly manifest: Manifest
  readonly digest: string
  readonly token: string
  readonly verdict: { publisher: string; kind: KeyRecord['kind']; algorithms: SignatureAlgorithm[] } | null
}

/** A yank token, and what it says; null when it must be refused. */
export interface YankCase {
  readonly about: string
  readonly network: string
  readonly token: string
  readonly yank: Yank | null
}

type Seeds = PublisherKeyFile['seeds']

const single = publisher('single')
const hybrid = publisher('hybrid', true)
const rotated = successor(single, 'rotated')

/** Publisher keys with fixed seeds. */
function publisher(name: string, withMlDsa = false, kind: KeyRecord['kind'] = 'publisher'): PublisherKeyFile {
  let count = 0
  return createPublisherKeys({ kind, hybrid: withMlDsa, nextSeed: () => namedSeed(`${name} ${count++}`) })
}

/** The same publisher with new keys: one more record, signed by the recovery key. */
export function successor(
  file: PublisherKeyFile,
  name: string,
  change: Partial<KeyRecord> = {},
  network: string = NETWORK,
): PublisherKeyFile {
  const before = file.records.at(-1)!
  const next = publisher(name)
  const recovery = ed25519FromSeed(fromBase64Url(file.recovery_seed))
  const recoveryKey = toBase64Url(recovery.publicKey)
  const record: KeyRecord = {
    ...next.records[0]!,
    number: before.number + 1,
    previous: keyRecordDigest(before),
    recovery: { public_key: recoveryKey, signature: '' },
    ...change,
  }
  const signature = signObject(recovery, network, CONTEXTS.keyRecord, recoverySignedObject(record))
  return { ...next, records: [...file.records, { ...record, recovery: { public_key: recoveryKey, signature } }] }
}

/** Chains of key records that hold, and chains that do not. */
export function keyRecordVectors(): { about: string; cases: KeyRecordCase[] } {
  const first = single.records[0]!
  const second = rotated.records[1]!
  const good = (about: string, { records }: PublisherKeyFile): KeyRecordCase => ({
    about,
    network: NETWORK,
    records,
    publisher: keyRecordDigest(records[0]!),
  })
  const bad = (about: string, ...records: KeyRecord[]): KeyRecordCase => ({
    about,
    network: NETWORK,
    records,
    publisher: null,
  })
  const after = (about: string, change: Partial<KeyRecord>) =>
    bad(about, ...successor(single, 'rotated', change).records)
  const key = first.signing_keys[0]!
  const smallOrder = toBase64Url(Uint8Array.of(1, ...new Uint8Array(31)))
  const stranger = ed25519FromSeed(namedSeed('stranger'))
  const recovery = { public_key: toBase64Url(stranger.publicKey), signature: '' }
  const byStranger: KeyRecord = { ...second, recovery }
  recovery.signature = signObject(stranger, NETWORK, CONTEXTS.keyRecord, recoverySignedObject(byStranger))
  return {
    about:
      'A publisher is the SHA-256 of the RFC 8785 bytes of key record 0. Record n + 1 holds the SHA-256 of record n, reveals the ' +
      'recovery key whose SHA-256 record n holds, and is signed by it: context "key-record", over the record in which ' +
      '"recovery" is {public_key} alone. "publisher" is null where the chain must be refused.',
    cases: [
      good('one record', single),
      good('one record, hybrid', hybrid),
      good('two records', rotated),
      good('three records', successor(rotated, 'third')),
      good('a successor that revokes', successor(single, 'rotated', { revoked_from: 7 })),
      good('a record of a provider', publisher('provider', false, 'provider')),
      bad('no record'),
      bad('more records than the limit', ...Array.from({ length: LIMITS.keyRecords + 1 }, () => first)),
      bad('starts with number 1', second),
      bad('the first names a previous one', { ...first, previous: keyRecordDigest(first) }),
      bad('the first revokes', { ...first, revoked_from: 0 }),
      bad('the first carries a recovery signature', { ...first, recovery: second.recovery! }),
      bad('the first twice', first, first),
      bad('another first record under the second', hybrid.records[0]!, second),
      after('a number is left out', { number: 2 }),
      after('the previous digest is another', { previous: keyRecordDigest(hybrid.records[0]!) }),
      after('the kind changes', { kind: 'provider' }),
      bad('no recovery signature', first, withoutRecovery(second)),
      bad('a recovery key that was not promised', first, byStranger),
      bad('changed after signing', first, { ...second, revoked_from: 0 }),
      bad('signed for another network', ...successor(single, 'rotated', {}, 'other').records),
      bad('a signing key twice', { ...first, signing_keys: [key, key] }),
      bad('a signing key of small order', { ...first, signing_keys: [{ ...key, public_key: smallOrder }] }),
      bad('a signing key that is too short', { ...first, signing_keys: [{ ...key, public_key: 'AAAA' }] }),
      bad('an algorithm required twice', { ...first, required_algorithms: ['ed25519', 'ed25519'] }),
      bad('an algorithm required without a key', { ...first, required_algorithms: ['ed25519', 'ml-dsa-65'] }),
    ],
  }
}

function withoutRecovery({ recovery: _, ...record }: KeyRecord): KeyRecord {
  return record
}

/** A manifest of `file`'s publisher. */
export function sampleManifest(file: PublisherKeyFile): Manifest {
  return {
    format: 1,
    publisher: keyRecordDigest(file.records[0]!),
    cell_type: 'text.upper-case',
    version: '1.4.2',
    capabilities: [{ name: 'text.transform', version: '2.0.0', description: 'Größe ändern' }],
    dependencies: [{ capability: 'text.segment', version_constraint: '>=1.2.0 <2' }],
    requirements: { platforms: ['linux'], memory_gb: 0.5 },
    packaging_format: 'wasm',
    media_type: 'application/wasm',
    labels: { domain: 'text' },
    package: {
      digest: `sha256:${'ab'.repeat(32)}`,
      size: 1234,
      chunk_size: LIMITS.chunkBytes,
      chunks_root: 'cd'.repeat(32),
    },
  }
}

/** Signatures of an object by an Ed25519 seed, and by an ML-DSA-65 seed in the deterministic variant (FIPS 204 §3.4). */
function signaturesOf(
  object: Manifest | Yank,
  seeds: Seeds,
  network: string,
  context: SignatureContext = CONTEXTS.manifest,
): ManifestSignature['signatures'] {
  const message = signedBytes(network, context, object)
  const key = ed25519FromSeed(fromBase64Url(seeds.ed25519))
  const signatures: ManifestSignature['signatures'] = [
    { algorithm: 'ed25519', public_key: toBase64Url(key.publicKey), signature: toBase64Url(key.sign(message)) },
  ]
  const mlDsa = seeds['ml-dsa-65']
  if (mlDsa !== undefined) {
    const { secretKey } = ml_dsa65.keygen(fromBase64Url(mlDsa))
    signatures.push({
      algorithm: 'ml-dsa-65',
      public_key: toBase64Url(mlDsa65FromSeed(fromBase64Url(mlDsa)).publicKey),
      signature: toBase64Url(ml_dsa65.sign(message, secretKey, { extraEntropy: false })),
    })
  }
  return signatures
}

/** Manifest signature tokens that hold, and tokens that do not. */
export function manifestSignatureVectors(): { about: string; cases: ManifestSignatureCase[] } {
  const manifest = sampleManifest(single)
  const contentOf = (file: PublisherKeyFile, of = sampleManifest(file), network = NETWORK): ManifestSignature => ({
    key_records: file.records,
    signatures: signaturesOf(of, file.seeds, network),
  })
  const good = (about: string, file: PublisherKeyFile, ...algorithms: SignatureAlgorithm[]): ManifestSignatureCase => {
    const own = sampleManifest(file)
    const verdict = { publisher: own.publisher, kind: file.records[0]!.kind, algorithms }
    const token = encodeSignatureToken(contentOf(file))
    return { about, network: NETWORK, manifest: own, digest: manifestDigest(own), token, verdict }
  }
  const bad = (about: string, of: Manifest, token: string): ManifestSignatureCase => {
    return { about, network: NETWORK, manifest: of, digest: manifestDigest(of), token, verdict: null }
  }
  const content = contentOf(single)
  const hybridContent = contentOf(hybrid)
  const [classical, quantum] = hybridContent.signatures as [
    (typeof content.signatures)[0],
    (typeof content.signatures)[0],
  ]
  const token = encodeSignatureToken(content)
  const spelled = (json: string) => `cs1.${toBase64Url(utf8(json))}`
  const hybridCase = (about: string, ...signatures: ManifestSignature['signatures']) =>
    bad(about, sampleManifest(hybrid), encodeSignatureToken({ ...hybridContent, signatures }))
  return {
    about:
      'A token is "cs1." and the base64url of the RFC 8785 bytes of {key_records, signatures}. There is one signature per ' +
      'required algorithm of the last key record, in that order, over the manifest (context "manifest"). The digest is the ' +
      'SHA-256 of the RFC 8785 bytes of the manifest. "verdict" is null where the token must be refused.',
    cases: [
      good('signed by a publisher', single, 'ed25519'),
      good('signed by a hybrid publisher', hybrid, 'ed25519', 'ml-dsa-65'),
      good('signed after a rotation', rotated, 'ed25519'),
      good('signed by a provider', publisher('provider', false, 'provider'), 'ed25519'),
      bad('the manifest was changed', { ...manifest, version: '1.4.3' }, token),
      bad('signed for another network', manifest, encodeSignatureToken(contentOf(single, manifest, 'other'))),
      bad('the manifest names another publisher', manifest, encodeSignatureToken(contentOf(hybrid, manifest))),
      bad(
        'the old key signs under the new record',
        manifest,
        encodeSignatureToken({ ...content, key_records: rotated.records }),
      ),
      hybridCase('the post-quantum half is stripped', classical),
      hybridCase('the classical half is stripped', quantum),
      hybridCase('the halves are swapped', quantum, classical),
      hybridCase('the post-quantum half is wrong', classical, {
        ...quantum,
        signature: `A${quantum.signature.slice(1)}`,
      }),
      hybridCase('the classical half twice', classical, classical),
      bad(
        'a signature more than required',
        manifest,
        encodeSignatureToken({ ...content, signatures: [...content.signatures, quantum] }),
      ),
      bad(
        'a key that the record does not list',
        manifest,
        encodeSignatureToken({ ...content, signatures: signaturesOf(manifest, rotated.seeds, NETWORK) }),
      ),
      bad('no signature', manifest, encodeSignatureToken({ ...content, signatures: [] })),
      bad('not in canonical form', manifest, spelled(JSON.stringify(content, null, 1))),
      bad('a field more', manifest, encodeSignatureToken({ ...content, more: 1 } as ManifestSignature)),
      bad('another prefix', manifest, `cs2${token.slice(3)}`),
      bad('not base64url', manifest, `${token}=`),
      bad('not JSON', manifest, spelled('{')),
      bad('nothing', manifest, 'cs1.'),
    ],
  }
}

/** Yank tokens that hold, and tokens that do not. */
export function yankVectors(): { about: string; cases: YankCase[] } {
  const yankOf = (file: PublisherKeyFile, change: Partial<Yank> = {}): Yank => ({
    format: 1,
    manifest_digest: manifestDigest(sampleManifest(file)),
    publisher: keyRecordDigest(file.records[0]!),
    counter: 1,
    yanked: true,
    reason: 'broken',
    message: 'verliert Größen',
    at: 1_700_000_000_000,
    ...change,
  })
  const signed = (
    file: PublisherKeyFile,
    record: Yank,
    context = CONTEXTS.yank as SignatureContext,
    network = NETWORK,
  ) => ({
    record,
    key_records: file.records,
    signatures: signaturesOf(record, file.seeds, network, context),
  })
  const caseOf = (about: string, content: SignedYank, yank: Yank | null): YankCase => ({
    about,
    network: NETWORK,
    token: encodeYankToken(content),
    yank,
  })
  const good = (about: string, file: PublisherKeyFile, record = yankOf(file)) =>
    caseOf(about, signed(file, record), record)
  const bad = (about: string, content: SignedYank) => caseOf(about, content, null)
  const one = signed(single, yankOf(single))
  const two = signed(hybrid, yankOf(hybrid))
  return {
    about:
      'A token is "ys1." and the base64url of the RFC 8785 bytes of {record, key_records, signatures}: the signatures are over the ' +
      'record (context "yank"), by the rules of manifest signatures. "yank" is the record, null where the token must be refused.',
    cases: [
      good('a yank', single),
      good('a yank without a message', single, (({ message: _, ...record }) => record)(yankOf(single))),
      good('by a hybrid publisher', hybrid),
      good('after a rotation', rotated),
      good('undone', single, yankOf(single, { counter: 2, yanked: false })),
      good('as compromised', single, yankOf(single, { reason: 'compromised' })),
      bad('undone as compromised', signed(single, yankOf(single, { yanked: false, reason: 'compromised' }))),
      bad('the record was changed', { ...one, record: { ...one.record, counter: 2 } }),
      bad('the record names another publisher', signed(single, yankOf(hybrid))),
      bad('signed as a manifest', signed(single, yankOf(single), CONTEXTS.manifest)),
      bad('signed for another network', signed(single, yankOf(single), CONTEXTS.yank, 'other')),
      bad('the post-quantum half is stripped', { ...two, signatures: two.signatures.slice(0, 1) }),
      bad('the old key signs under the new record', { ...one, key_records: rotated.records }),
      bad('counter 0', signed(single, yankOf(single, { counter: 0 }))),
      bad('another reason', signed(single, yankOf(single, { reason: 'bored' as Yank['reason'] }))),
      bad('a field more', signed(single, { ...yankOf(single), more: 1 } as Yank)),
    ],
  }
}
