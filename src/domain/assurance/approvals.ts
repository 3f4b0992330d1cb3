import { type Approval, type ApprovalName, type ApprovalOrder, MAX_APPROVALS } from '../../../protocol/approvals.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** Called in the transaction of a change, so that what belongs to it is written with it or not at all. */
export type Witness = (tx: Transaction, details: object) => void

const approvals = jsonKeyspace<Approval>(KEYSPACES.approvals)
const keyOf = ({ domain, publisher }: ApprovalName): string => `${domain}!${publisher}`

/** Whose documents the operator of this node approved, for which domains and jurisdictions. All is in memory. */
export class Approvals {
  readonly #store: Store
  readonly #clock: Clock
  readonly #approvals = new Map<string, Approval>()
  #revision = 0

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async load(): Promise<void> {
    for await (const [key, approval] of this.#store.scan(approvals)) this.#approvals.set(key, approval)
  }

  /** Another number whenever something else is approved. */
  get revision(): number {
    return this.#revision
  }

  /** In order of domains and publishers. */
  list(): Approval[] {
    return [...this.#approvals.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, approval]) => approval)
  }

  /** Whether questions of a domain may be answered from a document. */
  covers(domain: string, document: { readonly publisher: string; readonly jurisdiction?: string }): boolean {
    const approval = this.#approvals.get(`${domain}!${document.publisher}`)
    if (approval === undefined) return false
    const { jurisdictions } = approval
    return (
      jurisdictions === null || (document.jurisdiction !== undefined && jurisdictions.includes(document.jurisdiction))
    )
  }

  /** In place of what was approved of the publisher in the domain before. Durable when it resolves. Throws `PROV_014` when there are too many. */
  async put(
    { domain, publisher, jurisdictions = null }: ApprovalOrder,
    by: string,
    witness: Witness,
  ): Promise<Approval> {
    const approved_at = new Date(this.#clock.now()).toISOString()
    const approval: Approval = { domain, publisher, jurisdictions, approved_at, approved_by: by }
    const key = keyOf(approval)
    if (!this.#approvals.has(key) && this.#approvals.size >= MAX_APPROVALS) {
      throw new ProviderError('PROV_014', `this node has ${this.#approvals.size} approvals, the most that it can`)
    }
    await this.#store.transact((tx) => {
      tx.put(approvals, key, approval)
      witness(tx, { domain, publisher, jurisdictions })
    })
    this.#approvals.set(key, approval)
    this.#revision++
    return approval
  }

  /** Durable when it resolves. Throws `PROV_001` with status 404 where there is none. */
  async remove(name: ApprovalName, witness: Witness): Promise<Approval> {
    const key = keyOf(name)
    const approval = this.#approvals.get(key)
    if (approval === undefined) {
      const message = `the publisher ${name.publisher} is not approved for ${name.domain}: \`cytoplex approval list\``
      throw new ProviderError('PROV_001', message, { status: 404 })
    }
    await this.#store.transact((tx) => {
      tx.delete(approvals, key)
      witness(tx, { ...name })
    })
    this.#approvals.delete(key)
    this.#revision++
    return approval
  }
}
