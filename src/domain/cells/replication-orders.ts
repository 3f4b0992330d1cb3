import { type FollowPolicy, REPLICATION_LIMITS } from '../../../protocol/replication.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { policyId, policyProblem } from './follow.ts'

/** A policy that is in force. */
export interface PolicyInForce extends FollowPolicy {
  readonly id: string
  readonly source: 'configuration' | 'administrator'
}

/** A pin. */
export interface PinOrder {
  /** `sha256:…`, of the package. */
  readonly digest: string
  /** Unix milliseconds. */
  readonly at: number
}

/** Called in the transaction of a change, so that what belongs to it is written with it or not at all. */
type Witness = (tx: Transaction, details: object) => void

const policies = jsonKeyspace<FollowPolicy>(KEYSPACES.replication)
const pins = jsonKeyspace<PinOrder>(KEYSPACES.replication)
const POLICY = 'policy!'
const PIN = 'pin!'

/** What the operator wants copies of: by the configuration file, and by what an administrator says while the node runs. All is in memory. */
export class ReplicationOrders {
  readonly #store: Store
  readonly #clock: Clock
  readonly #policies = new Map<string, PolicyInForce>()
  readonly #pins = new Map<string, PinOrder>()

  /** `configured` were checked. Of two that follow the same, the last counts. */
  constructor(store: Store, clock: Clock, configured: readonly FollowPolicy[]) {
    this.#store = store
    this.#clock = clock
    for (const policy of configured) {
      const id = policyId(policy)
      this.#policies.set(id, { ...policy, id, source: 'configuration' })
    }
  }

  /** Reads what administrators said. Where the configuration follows the same, it counts. */
  async load(): Promise<void> {
    for await (const [key, policy] of this.#store.scan(policies, { prefix: POLICY })) {
      const id = key.slice(POLICY.length)
      if (!this.#policies.has(id)) this.#policies.set(id, { ...policy, id, source: 'administrator' })
    }
    for await (const [, pin] of this.#store.scan(pins, { prefix: PIN })) this.#pins.set(pin.digest, pin)
  }

  policies(): PolicyInForce[] {
    return [...this.#policies.values()]
  }

  policy(id: string): PolicyInForce | undefined {
    return this.#policies.get(id)
  }

  /** In the order in which they were made. */
  pins(): PinOrder[] {
    return [...this.#pins.values()].sort((a, b) => a.at - b.at)
  }

  pin(digest: string): PinOrder | undefined {
    return this.#pins.get(digest)
  }

  /** Durable when it resolves. Throws `PROV_001`, with status 409 where the same is followed already, and `PROV_014`. */
  async add(policy: FollowPolicy, witness: Witness): Promise<PolicyInForce> {
    const problem = policyProblem(policy)
    if (problem !== undefined) throw new ProviderError('PROV_001', problem)
    const added: PolicyInForce = { ...policy, id: policyId(policy), source: 'administrator' }
    await this.#store.transact((tx) => {
      if (this.#policies.has(added.id) || tx.get(policies, POLICY + added.id) !== undefined) {
        throw new ProviderError('PROV_001', `the policy ${added.id} follows the same already: remove it first`, {
          status: 409,
        })
      }
      if (this.#policies.size >= REPLICATION_LIMITS.policies) {
        const message = `this node follows by ${this.#policies.size} policies, the most that it can`
        throw new ProviderError('PROV_014', message)
      }
      tx.put(policies, POLICY + added.id, policy)
      witness(tx, { policy_id: added.id, ...policy })
    })
    this.#policies.set(added.id, added)
    return added
  }

  /** Durable when it resolves. Throws `PROV_001`: with status 404 where there is none, 409 for one of the configuration file. */
  async remove(id: string, witness: Witness): Promise<PolicyInForce> {
    const policy = this.#policies.get(id)
    if (policy === undefined) {
      throw new ProviderError('PROV_001', `there is no policy ${id}: \`cytoplex follow list\``, { status: 404 })
    }
    if (policy.source === 'configuration') {
      const message = `the policy ${id} stands in the configuration file (follow): remove it there, and start the node again`
      throw new ProviderError('PROV_001', message, { status: 409 })
    }
    const { id: _, source: __, ...said } = policy
    await this.#store.transact((tx) => {
      tx.delete(policies, POLICY + id)
      witness(tx, { policy_id: id, ...said })
    })
    this.#policies.delete(id)
    return policy
  }

  /** Durable when it resolves. A package that is pinned stays so. Throws `PROV_014` when there are too many. */
  async addPin(digest: string, witness: Witness): Promise<PinOrder> {
    const before = this.#pins.get(digest)
    if (before !== undefined) return before
    if (this.#pins.size >= REPLICATION_LIMITS.pins) {
      throw new ProviderError('PROV_014', `this node has ${this.#pins.size} pins, the most that it can`)
    }
    const pin = { digest, at: this.#clock.now() }
    this.#pins.set(digest, pin)
    try {
      await this.#store.transact((tx) => {
        tx.put(pins, PIN + digest, pin)
        witness(tx, { digest })
      })
    } catch (error) {
      this.#pins.delete(digest)
      throw error
    }
    return pin
  }

  /** Durable when it resolves. Throws `PROV_001` with status 404 where there is none. */
  async removePin(digest: string, witness: Witness): Promise<void> {
    if (!this.#pins.has(digest)) throw new ProviderError('PROV_001', `${digest} is not pinned here`, { status: 404 })
    await this.#store.transact((tx) => {
      tx.delete(pins, PIN + digest)
      witness(tx, { digest })
    })
    this.#pins.delete(digest)
  }
}
