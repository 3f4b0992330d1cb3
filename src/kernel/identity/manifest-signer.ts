import { type Static, Type } from 'typebox'
import { CONTEXTS, type SignatureContext } from '../../../protocol/contexts.ts'
import { Base64Url } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  KeyRecord,
  type Manifest,
  type ManifestSignature,
  type SignatureAlgorithm,
} from '../../../protocol/manifest.ts'
import type { Yank } from '../../../protocol/yank.ts'
import { fromBase64Url, toBase64Url } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, StartError } from '../base/errors.ts'
import { ed25519FromSeed, mlDsa65FromSeed, newSeed, type SigningKey } from './keys.ts'
import { encodeSignatureToken } from './manifest-signature.ts'
import { createPrivateFile, readPrivateJson } from './private-file.ts'
import { keyRecordDigest, recoveryKeyHash } from './publisher.ts'
import { signedBytes } from './signed.ts'
import { encodeYankToken } from './yank-signature.ts'

const closed = { additionalProperties: false } as const

/** A publisher's secrets as JSON: the chain of key records, the current signing seeds, and the seed of the next recovery key. */
export const PublisherKeyFile = Type.Object(
  {
    format: Type.Literal(1),
    records: Type.Array(KeyRecord, { minItems: 1, maxItems: LIMITS.keyRecords }),
    seeds: Type.Object({ ed25519: Base64Url, 'ml-dsa-65': Type.Optional(Base64Url) }, closed),
    recovery_seed: Base64Url,
  },
  closed,
)
export type PublisherKeyFile = Static<typeof PublisherKeyFile>

const fileSchema = checkerOf(PublisherKeyFile)

/** A publisher that can sign. */
export interface PublisherKeys {
  /** SHA-256 of the first key record. */
  readonly publisher: string
  /** The current record. */
  readonly record: KeyRecord
  /** The whole chain, first to current. */
  readonly records: KeyRecord[]
  /** The token `cs1.…` over a manifest, whose `publisher` must be this one (else `TypeError`). */
  signManifest(network: string, manifest: Manifest): string
  /** The token `ys1.…` over a yank, whose `publisher` must be this one (else `TypeError`). */
  signYank(network: string, yank: Yank): string
}

export interface PublisherKeyOptions {
  readonly kind: KeyRecord['kind']
  /** Sign with Ed25519 and ML-DSA-65; both are then required. Off unless asked for. */
  readonly hybrid?: boolean
  /** Source of 32-byte seeds: Ed25519, then ML-DSA-65 when hybrid, then recovery. Fresh random bytes unless given. */
  readonly nextSeed?: () => Uint8Array
}

/** A new publisher: keys, a recovery key, and record 0. Nothing is written. */
export function createPublisherKeys({
  kind,
  hybrid = false,
  nextSeed = newSeed,
}: PublisherKeyOptions): PublisherKeyFile {
  const ed25519 = nextSeed()
  const mlDsa65 = hybrid ? nextSeed() : undefined
  const recovery = nextSeed()
  const seeds = {
    ed25519: toBase64Url(ed25519),
    ...(mlDsa65 === undefined ? {} : { 'ml-dsa-65': toBase64Url(mlDsa65) }),
  }
  const keys = signingKeys(seeds)
  const record: KeyRecord = {
    format: 1,
    kind,
    number: 0,
    previous: null,
    signing_keys: keys.map(({ algorithm, key }) => ({ algorithm, public_key: toBase64Url(key.publicKey) })),
    required_algorithms: keys.map(({ algorithm }) => algorithm),
    recovery_key_hash: recoveryKeyHash(ed25519FromSeed(recovery).publicKey),
  }
  return { format: 1, records: [record], seeds, recovery_seed: toBase64Url(recovery) }
}

/** The publisher of a key file. Throws `Error` when the seeds are not those of the current record. */
export function publisherKeys(file: PublisherKeyFile): PublisherKeys {
  const { records } = file
  const first = records[0]
  const record = records[records.length - 1]
  if (first === undefined || record === undefined) throw new Error('the key file holds no key record')
  const keys = signingKeys(file.seeds)
  const signers = record.required_algorithms.map((algorithm) => signerFor(record, algorithm, keys))
  const recovery = ed25519FromSeed(fromBase64Url(file.recovery_seed))
  if (recoveryKeyHash(recovery.publicKey) !== record.recovery_key_hash) {
    throw new Error(`the recovery seed is not the one that key record ${record.number} promises`)
  }
  const publisher = keyRecordDigest(first)
  const sign = (
    network: string,
    context: SignatureContext,
    object: { readonly publisher: string },
  ): ManifestSignature => {
    if (object.publisher !== publisher) {
      throw new TypeError(`the ${context} names the publisher ${object.publisher}, these keys belong to ${publisher}`)
    }
    const message = signedBytes(network, context, object)
    const signatures = signers.map(({ algorithm, key }) => ({
      algorithm,
      public_key: toBase64Url(key.publicKey),
      signature: toBase64Url(key.sign(message)),
    }))
    return { key_records: records, signatures }
  }
  return {
    publisher,
    record,
    records,
    signManifest: (network, manifest) => encodeSignatureToken(sign(network, CONTEXTS.manifest, manifest)),
    signYank: (network, yank) => encodeYankToken({ record: yank, ...sign(network, CONTEXTS.yank, yank) }),
  }
}

/** Reads a publisher's key file. Throws `StartError` when it is missing, corrupt, or readable by group or others. */
export function loadPublisherKeyFile(path: string): PublisherKeyFile {
  const file = readPrivateJson(path, fileSchema)
  try {
    publisherKeys(file)
  } catch (error) {
    throw new StartError(`${path} is corrupt: ${errorMessage(error)}`)
  }
  return file
}

/** Writes a publisher's key file, mode 0600, durably. Throws `StartError` when `path` exists: keys are never overwritten. */
export const savePublisherKeyFile = (path: string, file: PublisherKeyFile): void =>
  createPrivateFile(path, `${JSON.stringify(file, null, 2)}\n`)

interface NamedKey {
  readonly algorithm: SignatureAlgorithm
  readonly key: SigningKey
}

function signingKeys(seeds: PublisherKeyFile['seeds']): NamedKey[] {
  const keys: NamedKey[] = [{ algorithm: 'ed25519', key: ed25519FromSeed(fromBase64Url(seeds.ed25519)) }]
  const mlDsa65 = seeds['ml-dsa-65']
  if (mlDsa65 !== undefined) keys.push({ algorithm: 'ml-dsa-65', key: mlDsa65FromSeed(fromBase64Url(mlDsa65)) })
  return keys
}

function signerFor(record: KeyRecord, algorithm: SignatureAlgorithm, keys: readonly NamedKey[]): NamedKey {
  const signer = keys.find((candidate) => candidate.algorithm === algorithm)
  if (signer === undefined)
    throw new Error(`key record ${record.number} requires ${algorithm}, for which there is no seed`)
  const publicKey = toBase64Url(signer.key.publicKey)
  if (!record.signing_keys.some((listed) => listed.algorithm === algorithm && listed.public_key === publicKey)) {
    throw new Error(`the ${algorithm} seed is not that of a key in key record ${record.number}`)
  }
  return signer
}
