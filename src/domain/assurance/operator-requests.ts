import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Operator } from '../../../protocol/operators.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { ed25519FromSeed, newSeed } from '../../kernel/identity/keys.ts'
import { decoded } from '../../kernel/identity/signed.ts'
import { verifyEd25519Natively } from '../../kernel/identity/verify.ts'
import type { Operators } from './operators.ts'

/** A request as its signature sees it. */
interface SignedByOperator {
  readonly operatorId: string
  /** ISO 8601, as it is signed. */
  readonly timestamp: string
  readonly message: Uint8Array
  /** base64url. */
  readonly signature: string
}

const SIGNATURE_BYTES = 64
const HMAC_BYTES = 32
/** ISO 8601 with its offset: a local time would mean another moment elsewhere. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/**
 * Who signed a request. The algorithm comes from the operator's record alone. Which check is made depends on the length of the signature only,
 * and it is made for unknown operators too, with keys that nobody has: neither the answer nor its time tells who is registered.
 */
export class OperatorRequests {
  readonly #operators: Pick<Operators, 'get' | 'verification'>
  readonly #clock: Clock
  readonly #nobodysKey: Uint8Array = ed25519FromSeed(newSeed()).publicKey
  readonly #nobodysSecret: KeyObject = createSecretKey(randomBytes(HMAC_BYTES))

  constructor(operators: Pick<Operators, 'get' | 'verification'>, clock: Clock) {
    this.#operators = operators
    this.#clock = clock
  }

  /** The operator. Throws `PROV_016` (401), in the same words for an unknown operator, a wrong key and a suspended operator. */
  async verify({ operatorId, timestamp, message, signature }: SignedByOperator): Promise<Operator> {
    const isSigned = await this.#isSigned(operatorId, message, decoded(signature))
    const operator = this.#operators.get(operatorId)
    if (!isSigned || operator === undefined || operator.status !== 'active') throw unauthorized()
    this.#checkFreshness(timestamp)
    return operator
  }

  async #isSigned(operatorId: string, message: Uint8Array, signature: Uint8Array | undefined): Promise<boolean> {
    const known = this.#operators.verification(operatorId)
    if (signature?.length === SIGNATURE_BYTES) {
      const key = known?.algorithm === 'ed25519' ? known.publicKey : undefined
      const holds = await verifyEd25519Natively(key ?? this.#nobodysKey, message, signature)
      return holds && key !== undefined
    }
    if (signature?.length === HMAC_BYTES) {
      const secret = known?.algorithm === 'hmac-sha256' ? known.secret : undefined
      const expected = createHmac('sha256', secret ?? this.#nobodysSecret)
        .update(message)
        .digest()
      return timingSafeEqual(expected, signature) && secret !== undefined
    }
    return false
  }

  /** Said to those who proved who they are only. */
  #checkFreshness(timestamp: string): void {
    const at = INSTANT.test(timestamp) ? Date.parse(timestamp) : Number.NaN
    if (Number.isNaN(at)) {
      const allowed = 'allowed is ISO 8601 with seconds and offset, such as 2026-01-31T12:00:00Z'
      throw new ProviderError('PROV_001', `timestamp: found ${JSON.stringify(timestamp)}, ${allowed}`)
    }
    const ahead = at - this.#clock.now()
    if (Math.abs(ahead) <= LIMITS.clockSkewMs) return
    const found = `${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'in the future' : 'old'}`
    const message = `the timestamp is ${found}, allowed are ${LIMITS.clockSkewMs / 1000} s: sign each request anew`
    throw new ProviderError('PROV_016', message)
  }
}

const unauthorized = (): ProviderError =>
  new ProviderError(
    'PROV_016',
    'unauthorized operator: operator_id or signature is wrong, or the operator is suspended',
  )
