import { CONSTRAINT_LIMITS, type Constraint, type RegisteredConstraint } from '../../../protocol/constraints.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Witness } from './approvals.ts'
import { type BoundConstraint, bindConstraint, constraintDigest, readConstraint } from './constraint.ts'

const constraints = jsonKeyspace<RegisteredConstraint>(KEYSPACES.constraints)
const EVERYBODY = ''
const keyOf = (owner: string, id: string): string => `${owner}!${id}`

interface Entry {
  readonly registered: RegisteredConstraint
  /** Made when it is asked for first. */
  bound: BoundConstraint | undefined
}

/** The constraints that questions may name: everybody's, and those of each operator. The newest version of each, in memory. */
export class ConstraintBook {
  readonly #store: Store
  readonly #clock: Clock
  readonly #network: string
  readonly #verifier: SignatureVerifier
  readonly #entries = new Map<string, Entry>()
  /** Keys of those that are being written for the first time. */
  readonly #coming = new Set<string>()

  constructor(parts: { store: Store; clock: Clock; network: string; verifier: SignatureVerifier }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#network = parts.network
    this.#verifier = parts.verifier
  }

  async load(): Promise<void> {
    for await (const [key, registered] of this.#store.scan(constraints)) {
      this.#entries.set(key, { registered, bound: undefined })
    }
  }

  /** Those of everybody, or of an operator; all of them unless one is named. In order of owners and ids. */
  list(operatorId?: string): RegisteredConstraint[] {
    return [...this.#entries.entries()]
      .filter(([, { registered }]) => operatorId === undefined || registered.operator_id === operatorId)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { registered }]) => registered)
  }

  /** An operator's own constraint, else everybody's; undefined where there is none. */
  find(operatorId: string, id: string): BoundConstraint | undefined {
    const entry = this.#entries.get(keyOf(operatorId, id)) ?? this.#entries.get(keyOf(EVERYBODY, id))
    if (entry === undefined) return undefined
    entry.bound ??= bindConstraint(entry.registered.constraint)
    return entry.bound
  }

  /**
   * Registers a constraint, or a newer version of one. Durable when it resolves. Throws `PROV_001`, with status 409 where that version or a newer
   * one is there, `PROV_005` and `PROV_014`.
   */
  async add(
    json: unknown,
    { operatorId, by }: { readonly operatorId?: string | undefined; readonly by: string },
    witness: Witness,
  ): Promise<RegisteredConstraint> {
    const constraint = readConstraint(json, this.#network, this.#verifier)
    const owner = operatorId ?? EVERYBODY
    const { constraint_id: id, version } = constraint
    const key = keyOf(owner, id)
    const registered: RegisteredConstraint = {
      constraint,
      operator_id: operatorId ?? null,
      digest: constraintDigest(constraint),
      registered_at: new Date(this.#clock.now()).toISOString(),
      registered_by: by,
    }
    try {
      await this.#store.transact((tx) => {
        const before = tx.get(constraints, key)
        if (before !== undefined && before.constraint.version >= version) {
          const message = `the constraint ${id} has version ${before.constraint.version}: a newer one is needed, found ${version}`
          throw new ProviderError('PROV_001', message, { status: 409 })
        }
        if (before === undefined) this.#assertRoom(owner)
        if (!this.#entries.has(key)) this.#coming.add(key)
        tx.put(constraints, key, registered)
        witness(tx, named(registered))
      })
      this.#entries.set(key, { registered, bound: undefined })
      return registered
    } finally {
      this.#coming.delete(key)
    }
  }

  /** Durable when it resolves. Throws `PROV_001` with status 404 where there is none. */
  async remove(id: string, operatorId: string | undefined, witness: Witness): Promise<RegisteredConstraint> {
    const key = keyOf(operatorId ?? EVERYBODY, id)
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      const whose = operatorId === undefined ? 'for everybody' : `of the operator ${operatorId}`
      throw new ProviderError('PROV_001', `there is no constraint ${id} ${whose}`, { status: 404 })
    }
    await this.#store.transact((tx) => {
      tx.delete(constraints, key)
      witness(tx, named(entry.registered))
    })
    this.#entries.delete(key)
    return entry.registered
  }

  #assertRoom(owner: string): void {
    const { global, perOperator, ofOperators } = CONSTRAINT_LIMITS
    const keys = [...this.#entries.keys(), ...this.#coming]
    const own = keys.filter((key) => key.startsWith(`${owner}!`)).length
    if (owner === EVERYBODY) {
      if (own < global) return
      throw new ProviderError('PROV_014', `there are ${own} constraints for everybody, as many as are kept`)
    }
    const all = keys.filter((key) => !key.startsWith(`${EVERYBODY}!`)).length
    if (own < perOperator && all < ofOperators) return
    throw new ProviderError(
      'PROV_014',
      `there are ${own} constraints of that operator and ${all} of all operators; at most ${perOperator} and ${ofOperators} are kept`,
    )
  }
}

const named = ({ constraint, operator_id, digest }: RegisteredConstraint): object => ({
  constraint_id: (constraint as Constraint).constraint_id,
  version: constraint.version,
  digest,
  ...(operator_id === null ? {} : { operator_id }),
})
