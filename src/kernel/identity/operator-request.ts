import { getPublicKey, sign } from '@noble/ed25519'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { OperatorAlgorithm, OperatorHeaders } from '../../../protocol/operators.ts'
import { signedBytes } from './signed.ts'
// The library has its SHA-512 from there.
import './verify-pure.ts'

/** What operators sign. Browser-safe. */

/** The request that a signature is for. */
export interface OperatorTarget {
  /** Provider id of the node that is asked. */
  readonly audience: string
  readonly method: string
  /** Request target in origin form, with the query. */
  readonly path: string
}

/** An operator that can sign. */
export interface OperatorKey {
  readonly operatorId: string
  readonly algorithm: OperatorAlgorithm
  /** The signature, or the HMAC, of a message. */
  sign(message: Uint8Array): Uint8Array
}

/** Bytes of a seed, and of a secret. */
const KEY_BYTES = 32

/** Signs as an operator, in any runtime: with the seed of its Ed25519 key, or the secret that the node made. Throws `TypeError` for another length. */
export function operatorKey(
  operatorId: string,
  key: { readonly seed: Uint8Array } | { readonly secret: Uint8Array },
): OperatorKey {
  const own = ('seed' in key ? key.seed : key.secret).slice()
  if (own.length !== KEY_BYTES) throw new TypeError(`an operator's key has ${KEY_BYTES} bytes, this one ${own.length}`)
  return 'seed' in key
    ? { operatorId, algorithm: 'ed25519', sign: (message) => sign(message, own) }
    : { operatorId, algorithm: 'hmac-sha256', sign: (message) => hmac(sha256, own, message) }
}

/** The public key of a seed, which operators register. */
export const operatorPublicKey = (seed: Uint8Array): Uint8Array => getPublicKey(seed)

/** What is signed of a request with a body: all its members but `signature`, and for whom it is. */
export const operatorRequestBytes = (network: string, body: object, target: OperatorTarget): Uint8Array =>
  signedBytes(network, CONTEXTS.operatorRequest, { ...body, ...named(target) })

/** What is signed of a request without a body. */
export const operatorHeaderBytes = (
  network: string,
  { operator_id, ts, nonce }: Omit<OperatorHeaders, 'signature'>,
  target: OperatorTarget,
): Uint8Array => signedBytes(network, CONTEXTS.operatorRequest, { operator_id, ts, nonce, ...named(target) })

const named = ({ audience, method, path }: OperatorTarget): object => ({ aud: audience, method, path })
