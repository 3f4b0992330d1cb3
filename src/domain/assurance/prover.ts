import type { AnswerLog, AnswerProof, AuditRecord, QueryResponse } from '../../../protocol/assurance.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { toBase64Url } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { sha256, sha256Hex } from '../../kernel/base/hash.ts'
import { keyThumbprint } from '../../kernel/identity/jwk.ts'
import type { RoleKey } from '../../kernel/identity/key-directory.ts'
import { signObject } from '../../kernel/identity/keys.ts'
import { signedText } from '../../kernel/identity/signed.ts'
import {
  bindingOf,
  chainRoot,
  FIRST_STEP,
  LAST_STEP,
  NO_RECORD,
  recordBytes,
  resultHash,
} from '../../kernel/log/audit-chain.ts'

/** What was done to get from a request to its answer, with JSON values that are hashed. */
export interface ProvenStep {
  readonly step: string
  readonly input: unknown
  readonly output: unknown
}

/** What a proof is made of. */
export interface Provable {
  /** The signed request, whole. */
  readonly request: { readonly request_id: string; readonly operator_id: string; readonly payload: unknown }
  readonly steps: readonly ProvenStep[]
  readonly response: Omit<QueryResponse, 'proof'>
  readonly log: AnswerLog | undefined
}

/** The proof of an answer. Takes some 30 µs for each step. The times of the records are a millisecond apart, and end with that of the response. */
export function proveAnswer(
  { key, certificate }: RoleKey,
  network: string,
  { request, steps, response, log }: Provable,
): AnswerProof {
  const { request_id, operator_id } = request
  const begin = Date.parse(response.timestamp) - (steps.length + 1)

  const chain: AuditRecord[] = []
  const bodies: Uint8Array[] = []
  const signatures: string[] = []
  let prev = NO_RECORD
  let output = ''
  const add = (step: string, inputHash: string, outputHash: string): void => {
    const record: AuditRecord = {
      seq: chain.length,
      prev_hash: prev,
      step,
      input_hash: inputHash,
      output_hash: outputHash,
      timestamp: new Date(begin + chain.length).toISOString(),
      operator_id,
      request_id,
    }
    const bytes = recordBytes(record)
    chain.push(record)
    bodies.push(bytes)
    signatures.push(toBase64Url(key.sign(signedText(network, CONTEXTS.auditRecord, bytes))))
    prev = sha256Hex(bytes)
    output = outputHash
  }
  add(FIRST_STEP, hashOf(request), hashOf(request.payload))
  for (const one of steps) add(one.step, hashOf(one.input), hashOf(one.output))
  add(LAST_STEP, output, resultHash(sha256, response))

  const unsigned = {
    audit_chain: chain,
    hash_chain: chainRoot(sha256, bodies),
    provider_id: certificate.provider_id,
    ...(log === undefined ? {} : { log }),
  }
  const signature = signObject(key, network, CONTEXTS.answer, bindingOf(sha256, response, unsigned))
  const kid = keyThumbprint(certificate.public_key)
  return { ...unsigned, signatures, signature, kid, certificate }
}

const hashOf = (value: unknown): string => sha256Hex(canonicalJson(value))
