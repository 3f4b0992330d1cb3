import { createSecretKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  OPERATOR_LIMITS,
  type Operator,
  type OperatorAlgorithm,
  type OperatorCreated,
  type OperatorCreation,
  type OperatorList,
  type OperatorListQuery,
  type OperatorRotation,
  type Permission,
  type Tier,
} from '../../../protocol/operators.ts'
import { fromBase64Url, toBase64Url } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { isStrictPublicKey } from '../../kernel/identity/ed25519-encoding.ts'
import type { SecretSeal } from '../../kernel/identity/sealed-secret.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'

/** Bytes of an HMAC secret: as many as its hash has. */
const SECRET_BYTES = 32

/** What is stored of an operator. Times are Unix milliseconds. */
interface OperatorRecord {
  readonly algorithm: OperatorAlgorithm
  readonly public_key: string | null
  /** The secret, sealed for this operator and this number. */
  readonly sealed_secret: string | null
  /** How many keys or secrets it has had. */
  readonly key_number: number
  readonly permissions: readonly Permission[]
  readonly tier: Tier
  readonly suspended: boolean
  readonly created_at: number
  readonly rotated_at: number | null
}

/** What an operator's requests are verified with. */
type OperatorVerification =
  | { readonly algorithm: 'ed25519'; readonly publicKey: Uint8Array }
  | { readonly algorithm: 'hmac-sha256'; readonly secret: KeyObject }

interface HeldOperator {
  readonly operator: Operator
  /** Undefined where its secret cannot be opened. */
  readonly verification: OperatorVerification | undefined
}

/** Called in the transaction of a change, so that the entry about it in the log is written with it or not at all. */
export type OperatorWitness = (tx: Transaction, operator: Operator) => void

const operators = jsonKeyspace<OperatorRecord>(KEYSPACES.operators)

/** The operators of signed questions. All are in memory, with their secrets; on disk these are sealed. */
export class Operators {
  readonly #store: Store
  readonly #clock: Clock
  readonly #seal: SecretSeal
  readonly #logger: Pick<Logger, 'error'>
  readonly #held = new Map<string, HeldOperator>()
  /** Operators that are being written for the first time. */
  #creating = 0

  constructor(parts: {
    readonly store: Store
    readonly clock: Clock
    readonly seal: SecretSeal
    readonly logger: Pick<Logger, 'error'>
  }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#seal = parts.seal
    this.#logger = parts.logger
  }

  /** Reads in the operators. Before it has resolved every one is unknown. */
  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(operators)) this.#hold(id, record)
  }

  get(id: string): Operator | undefined {
    return this.#held.get(id)?.operator
  }

  /** What its requests are verified with; undefined where there is none of that id. */
  verification(id: string): OperatorVerification | undefined {
    return this.#held.get(id)?.verification
  }

  /** A page of them, by their ids. */
  list({ limit = LIMITS.defaultPage, offset = 0 }: OperatorListQuery = {}): OperatorList {
    const ids = [...this.#held.keys()].sort()
    const page = ids.slice(offset, offset + limit).map((id) => this.#held.get(id)!.operator)
    return { total: ids.length, limit, offset, operators: page }
  }

  /**
   * Registers an operator, durably when it resolves. Throws `PROV_001` for a key that is none or does not belong there, `PROV_007` for an id
   * that is taken, `PROV_014` where there are `OPERATOR_LIMITS.operators`.
   */
  async create(creation: OperatorCreation, witness: OperatorWitness): Promise<OperatorCreated> {
    const { operator_id: id = randomUUID(), algorithm, permissions, tier = 'free' } = creation
    refuseRepeated(permissions)
    if (this.#held.size + this.#creating >= OPERATOR_LIMITS.operators) {
      const message = `this node holds ${OPERATOR_LIMITS.operators} operators, the most that it can`
      throw new ProviderError('PROV_014', message)
    }
    const { secret, ...key } = this.#newKey(id, algorithm, creation.public_key, 1)
    const record: OperatorRecord = {
      algorithm,
      ...key,
      permissions,
      tier,
      suspended: false,
      created_at: this.#clock.now(),
      rotated_at: null,
    }
    const operator = describe(id, record)
    this.#creating++
    try {
      await this.#store.transact((tx) => {
        if (tx.get(operators, id) !== undefined) {
          throw new ProviderError(
            'PROV_007',
            `there is an operator ${id} already: rotate its key, or choose another id`,
          )
        }
        tx.put(operators, id, record)
        witness(tx, operator)
      })
    } finally {
      this.#creating--
    }
    this.#hold(id, record)
    return { ...operator, ...(secret === undefined ? {} : { secret }) }
  }

  /**
   * Gives an operator a new key or secret, durably when it resolves: the old one ends then, and so does a suspension. Throws `PROV_001`, with
   * status 404 where there is no such operator.
   */
  async rotate(id: string, rotation: OperatorRotation, witness: OperatorWitness): Promise<OperatorCreated> {
    const { algorithm } = this.#known(id)
    const now = this.#clock.now()
    const { record, secret } = await this.#store.transact((tx) => {
      const old = tx.get(operators, id)!
      const { secret, ...key } = this.#newKey(id, algorithm, rotation.public_key, old.key_number + 1)
      if (key.public_key !== null && key.public_key === old.public_key) {
        throw new ProviderError('PROV_001', 'public_key is the one that the operator has: rotating brings another')
      }
      const record = { ...old, ...key, suspended: false, rotated_at: now }
      tx.put(operators, id, record)
      witness(tx, describe(id, record))
      return { record, secret }
    })
    this.#hold(id, record)
    return { ...describe(id, record), ...(secret === undefined ? {} : { secret }) }
  }

  /** Refuses its requests from this call on, and durably so when it resolves. Again changes nothing. Throws `PROV_001` with status 404. */
  async suspend(id: string, witness: OperatorWitness): Promise<Operator> {
    const known = this.#known(id)
    this.#held.set(id, { ...this.#held.get(id)!, operator: { ...known, status: 'suspended' } })
    await this.#store.transact((tx) => {
      const old = tx.get(operators, id)!
      if (old.suspended) return
      const record = { ...old, suspended: true }
      tx.put(operators, id, record)
      witness(tx, describe(id, record))
    })
    return { ...known, status: 'suspended' }
  }

  #known(id: string): Operator {
    const operator = this.get(id)
    if (operator !== undefined) return operator
    throw new ProviderError('PROV_001', `there is no operator ${id}`, { status: 404 })
  }

  /** The fields of a new key, and a new secret itself. */
  #newKey(
    id: string,
    algorithm: OperatorAlgorithm,
    publicKey: string | undefined,
    number: number,
  ): Pick<OperatorRecord, 'public_key' | 'sealed_secret' | 'key_number'> & { readonly secret?: string } {
    if (algorithm === 'ed25519') {
      return { public_key: checkedKey(publicKey), sealed_secret: null, key_number: number }
    }
    if (publicKey !== undefined) {
      throw new ProviderError('PROV_001', 'public_key goes with ed25519 only: for hmac-sha256 the node makes a secret')
    }
    const secret = randomBytes(SECRET_BYTES)
    const sealed = this.#seal.seal(secret, purposeOf(id, number))
    return { public_key: null, sealed_secret: sealed, key_number: number, secret: toBase64Url(secret) }
  }

  #hold(id: string, record: OperatorRecord): void {
    this.#held.set(id, { operator: describe(id, record), verification: this.#verificationOf(id, record) })
  }

  #verificationOf(
    id: string,
    { algorithm, public_key, sealed_secret, key_number }: OperatorRecord,
  ): OperatorVerification | undefined {
    if (algorithm === 'ed25519') return { algorithm, publicKey: fromBase64Url(public_key!) }
    try {
      return { algorithm, secret: createSecretKey(this.#seal.open(sealed_secret!, purposeOf(id, key_number))) }
    } catch (error) {
      const message =
        'the secret of an operator cannot be opened: restore secrets.key of the key directory, or rotate it'
      this.#logger.error({ operator_id: id, err: error }, message)
      return undefined
    }
  }
}

/** What a sealed secret is bound to: it opens for no other operator, and is no earlier secret of the same. */
const purposeOf = (id: string, number: number): string =>
  `cytoplex/operator-secret/v1\n${canonicalJson({ operator_id: id, key_number: number })}`

function checkedKey(text: string | undefined): string {
  if (text === undefined) throw new ProviderError('PROV_001', 'public_key is missing: ed25519 needs one')
  let key: Uint8Array
  try {
    key = fromBase64Url(text)
  } catch {
    throw new ProviderError('PROV_001', 'public_key: allowed are 32 bytes in base64url without padding')
  }
  if (isStrictPublicKey(key)) return text
  throw new ProviderError('PROV_001', 'public_key: no Ed25519 key, or one of small order')
}

function refuseRepeated(permissions: readonly Permission[]): void {
  const domains = permissions.map(({ domain }) => domain)
  if (new Set(domains).size === domains.length) return
  throw new ProviderError('PROV_001', 'permissions name a domain twice: allowed is one entry for each')
}

function describe(id: string, record: OperatorRecord): Operator {
  const { algorithm, public_key, permissions, tier, suspended, created_at, rotated_at } = record
  return {
    operator_id: id,
    algorithm,
    public_key,
    permissions: [...permissions],
    tier,
    status: suspended ? 'suspended' : 'active',
    created_at: new Date(created_at).toISOString(),
    rotated_at: rotated_at === null ? null : new Date(rotated_at).toISOString(),
  }
}
