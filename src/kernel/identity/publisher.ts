import { sha256 } from '@noble/hashes/sha2.js'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { KeyRecord, SignatureAlgorithm } from '../../../protocol/manifest.ts'
import { toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { isStrictPublicKey } from './ed25519-encoding.ts'
import { decoded, verifyObject } from './signed.ts'
import { ML_DSA_65_KEY_BYTES, type SignatureVerifier } from './verify-pure.ts'

/** Publishers and their chains of key records. Browser-safe. */

/** A publisher, as its key records prove it. */
export interface Publisher {
  /** SHA-256 of record 0, lower-case hexadecimal. */
  readonly publisher: string
  /** The last record: the keys that sign now. */
  readonly current: KeyRecord
}

/** SHA-256 of the record's RFC 8785 bytes, lower-case hexadecimal. Of record 0 it is the publisher. */
export const keyRecordDigest = (record: KeyRecord): string => toHex(sha256(utf8(canonicalJson(record))))

/** SHA-256 of a raw recovery key, lower-case hexadecimal: what the record before promises. */
export const recoveryKeyHash = (publicKey: Uint8Array): string => toHex(sha256(publicKey))

/**
 * What a recovery key signs (context `key-record`): the record with `recovery` reduced to `{public_key}`, so that the signature
 * covers everything but itself.
 */
export function recoverySignedObject(record: KeyRecord): object {
  return { ...record, recovery: { public_key: record.recovery?.public_key } }
}

/**
 * Checks a chain of key records from number 0 on: each follows the one before by number and digest, keeps its kind, and is
 * signed by the recovery key that the one before promised; each lists distinct, usable keys and at least one for every required
 * algorithm. Throws `Error` with the reason. The caller has checked the shape. Whether a longer chain exists elsewhere, and
 * what `revoked_from` voids, is for those who hold the publisher's log.
 */
export function verifyKeyRecords(
  verifier: SignatureVerifier,
  network: string,
  records: readonly KeyRecord[],
): Publisher {
  const first = records[0]
  if (first === undefined) throw new Error('there is no key record')
  if (records.length > LIMITS.keyRecords) {
    throw new Error(`there are ${records.length} key records, at most ${LIMITS.keyRecords} are allowed`)
  }
  checkFirst(first)
  let current = first
  for (const record of records.slice(1)) {
    checkSuccessor(verifier, network, current, record)
    current = record
  }
  return { publisher: keyRecordDigest(first), current }
}

function checkFirst(record: KeyRecord): void {
  if (record.number !== 0) throw new Error(`the first key record has number ${record.number}, expected 0`)
  if (record.previous !== null) throw refused(record, 'names a previous record, which the first cannot have')
  if (record.recovery !== undefined) throw refused(record, 'carries a recovery signature, which the first cannot have')
  if (record.revoked_from !== undefined) throw refused(record, 'revokes, which the first cannot')
  checkKeys(record)
}

function checkSuccessor(verifier: SignatureVerifier, network: string, before: KeyRecord, record: KeyRecord): void {
  if (record.number !== before.number + 1) throw refused(record, `follows number ${before.number}`)
  if (record.previous !== keyRecordDigest(before))
    throw refused(record, `is not the successor of number ${before.number}`)
  if (record.kind !== before.kind) throw refused(record, `changes the kind from ${before.kind} to ${record.kind}`)
  const { recovery } = record
  if (recovery === undefined) throw refused(record, 'carries no recovery signature')
  const recoveryKey = decoded(recovery.public_key)
  if (recoveryKey === undefined || recoveryKeyHash(recoveryKey) !== before.recovery_key_hash) {
    throw refused(record, `reveals another recovery key than number ${before.number} promised`)
  }
  const signed = recoverySignedObject(record)
  if (!verifyObject(verifier, recoveryKey, network, CONTEXTS.keyRecord, signed, recovery.signature)) {
    throw refused(record, `is not signed by its recovery key for the network ${network}`)
  }
  checkKeys(record)
}

function checkKeys(record: KeyRecord): void {
  const keys = new Set(record.signing_keys.map((key) => `${key.algorithm} ${key.public_key}`))
  if (keys.size !== record.signing_keys.length) throw refused(record, 'lists a signing key twice')
  for (const { algorithm, public_key: text } of record.signing_keys) {
    const key = decoded(text)
    if (key === undefined || !isUsable(algorithm, key))
      throw refused(record, `lists a key that is no valid ${algorithm} key`)
  }
  if (new Set(record.required_algorithms).size !== record.required_algorithms.length) {
    throw refused(record, 'requires an algorithm twice')
  }
  for (const algorithm of record.required_algorithms) {
    if (!record.signing_keys.some((key) => key.algorithm === algorithm)) {
      throw refused(record, `requires ${algorithm} but lists no key for it`)
    }
  }
}

const isUsable = (algorithm: SignatureAlgorithm, key: Uint8Array): boolean =>
  algorithm === 'ed25519' ? isStrictPublicKey(key) : key.length === ML_DSA_65_KEY_BYTES

const refused = (record: KeyRecord, reason: string): Error => new Error(`key record ${record.number} ${reason}`)
