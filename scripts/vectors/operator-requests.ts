import { CONTEXTS } from '../../protocol/contexts.ts'
import { toBase64Url, toHex } from '../../src/kernel/base/bytes.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import {
  type OperatorTarget,
  operatorHeaderBytes,
  operatorKey,
  operatorPublicKey,
  operatorRequestBytes,
} from '../../src/kernel/identity/operator-request.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A request, the bytes that are signed of it, and both signatures: what it says beside `aud`, `method` and `path`. */
export interface OperatorRequestCase {
  readonly about: string
  readonly target: OperatorTarget
  /** The body without its signature, or what the headers say. */
  readonly said: object
  /** Whether it is in headers. */
  readonly headers: boolean
  /** Hexadecimal. */
  readonly bytes: string
  readonly ed25519: string
  readonly hmac_sha256: string
}

const seed = namedSeed('operator')
const secret = namedSeed('secret of an operator')
const operator_id = 'team@example.org'
const signing = operatorKey(operator_id, { seed })
const sealing = operatorKey(operator_id, { secret })
const audience = providerIdOf(ed25519FromSeed(namedSeed('asked provider')).publicKey)

function caseOf(
  about: string,
  target: OperatorTarget,
  said: object,
  bytes: Uint8Array,
  headers: boolean,
): OperatorRequestCase {
  return {
    about,
    target,
    said,
    headers,
    bytes: toHex(bytes),
    ed25519: toBase64Url(signing.sign(bytes)),
    hmac_sha256: toBase64Url(sealing.sign(bytes)),
  }
}

/** `operator-requests.json`. */
export function operatorRequestVectors(): object {
  const request_id = '550e8400-e29b-41d4-a716-446655440000'
  const timestamp = '2026-01-31T12:00:00Z'
  const question = {
    query: 'What does the contract template 2.1 say about termination?',
    context: { domain: 'legal', jurisdiction: 'US-DE', constraints: ['no-advice'] },
    verification_mode: 'strict',
    return_proof: true,
  }
  const bodied = (about: string, path: string, payload: object): OperatorRequestCase => {
    const said = { request_id, timestamp, operator_id, payload }
    const target = { audience, method: 'POST', path }
    return caseOf(about, target, said, operatorRequestBytes(NETWORK, said, target), false)
  }
  const target = { audience, method: 'GET', path: `/api/v1/batch/${request_id}/results?limit=50&offset=100` }
  const said = { operator_id, ts: timestamp, nonce: toBase64Url(namedSeed('nonce').subarray(0, 16)) }
  return {
    about: `Requests of operators (context ${CONTEXTS.operatorRequest}), signed by Ed25519 and by HMAC-SHA256`,
    network: NETWORK,
    seed: toHex(seed),
    public_key: toBase64Url(operatorPublicKey(seed)),
    secret: toBase64Url(secret),
    cases: [
      bodied('a question', '/api/v1/query', question),
      bodied('a batch, with text beyond ASCII', '/api/v1/batch', {
        requests: [question, { query: 'Kündigung? \u{1f4dc}', context: { domain: 'general' } }],
      }),
      caseOf('a request without a body', target, said, operatorHeaderBytes(NETWORK, said, target), true),
    ],
  }
}
