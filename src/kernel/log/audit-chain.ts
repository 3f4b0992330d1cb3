import type { AnswerBinding, AuditRecord, QueryResponse } from '../../../protocol/assurance.ts'
import { concatBytes, toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'

/** What is hashed and signed of an answer, by those who prove it and by those who verify it. Browser-safe. */

/** SHA-256. */
export type Sha256 = (data: Uint8Array) => Uint8Array

/** `prev_hash` of the first record. */
export const NO_RECORD = '0'.repeat(64)

/** Names of the first and of the last step, which every chain has. */
export const FIRST_STEP = 'request'
export const LAST_STEP = 'answer'

/** Lower-case hexadecimal SHA-256 of the RFC 8785 text of a JSON value. Throws `TypeError` for what has none. */
export const jsonHash = (sha256: Sha256, value: unknown): string => toHex(sha256(utf8(canonicalJson(value))))

/** What is hashed of a response as its result: the same on every node that has the same sources. */
export function resultHash(sha256: Sha256, { status, payload, errors }: Omit<QueryResponse, 'proof'>): string {
  if (payload === null) return jsonHash(sha256, { status, payload, errors })
  const { processing_time_ms: _, ...metadata } = payload.metadata
  return jsonHash(sha256, { status, payload: { ...payload, metadata }, errors })
}

/** What a proof's own signature is over, of a response and its proof. */
export function bindingOf(
  sha256: Sha256,
  response: Omit<QueryResponse, 'proof'>,
  proof: Omit<NonNullable<QueryResponse['proof']>, 'signature' | 'signatures' | 'certificate' | 'kid'>,
): AnswerBinding {
  return {
    hash_chain: proof.hash_chain,
    request_id: response.request_id,
    response_id: response.response_id,
    request_hash: proof.audit_chain[0]!.input_hash,
    result_hash: proof.audit_chain.at(-1)!.output_hash,
    processing_time_ms: response.payload?.metadata.processing_time_ms ?? null,
    log_hash: proof.log === undefined ? null : jsonHash(sha256, proof.log),
    timestamp: response.timestamp,
    provider_id: proof.provider_id,
  }
}

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** RFC 9162 §2.1.1 over records as {@link recordBytes}, at least one: lower-case hexadecimal. */
export function chainRoot(sha256: Sha256, records: readonly Uint8Array[]): string {
  let level = records.map((bytes) => sha256(concatBytes([LEAF, bytes])))
  // Pairing level by level, with an odd last node moved up, gives the same tree as splitting at the largest power of two.
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i + 1 < level.length; i += 2) above.push(sha256(concatBytes([NODE, level[i]!, level[i + 1]!])))
    if (level.length % 2 === 1) above.push(level[level.length - 1]!)
    level = above
  }
  return toHex(level[0]!)
}

/** RFC 8785 text of a record, in UTF-8: what is hashed and signed of it. */
export const recordBytes = (record: AuditRecord): Uint8Array => utf8(canonicalJson(record))
