import type {
  CopyDropped,
  FollowPolicy,
  Pin,
  PolicyList,
  PolicyStatus,
  ReplicationStatus,
} from '../../protocol/replication.ts'
import type { Administration } from '../domain/access/administration.ts'
import { policyProblem } from '../domain/cells/follow.ts'
import type { CellRecord } from '../domain/cells/records.ts'
import type { PinOrder, ReplicationOrders } from '../domain/cells/replication-orders.ts'
import { noPartner } from '../domain/federation/partners.ts'
import { ProviderError, StartError } from '../kernel/base/errors.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { PIN } from './flows/bring-copies.ts'
import type { Replicator } from './flows/replicate.ts'
import type { NodeParts } from './parts.ts'

type Parts = Pick<NodeParts, 'index' | 'cache' | 'trust' | 'partners'>

/** What replication needs beside the parts. */
interface Needs {
  readonly orders: ReplicationOrders
  readonly replicator: Replicator
  readonly administration: Administration
  /** Hears of copies that are gone. */
  readonly onGone: (cell: CellRecord) => void
}

/** Throws `StartError` for policies of the configuration that their schema does not rule out and that are none. */
export function checkFollow(policies: readonly FollowPolicy[]): void {
  for (const [index, policy] of policies.entries()) {
    const problem = policyProblem(policy)
    if (problem !== undefined) throw new StartError(`follow[${index}].${problem}`)
  }
}

/** Replication as the doors see it: what is followed, what is pinned, and which copies are here because of that. */
export class Replication {
  readonly #parts: Parts
  readonly #needs: Needs

  constructor(parts: Parts, needs: Needs) {
    this.#parts = parts
    this.#needs = needs
  }

  /** Reads in what administrators said; to be awaited before anything is ranked. */
  async load(): Promise<void> {
    await this.#needs.orders.load()
    this.#trustFollowed()
  }

  /** Shows how far it is to whoever scrapes the metrics. */
  measure(metrics: Metrics): void {
    const { orders, replicator } = this.#needs
    const gauge = (
      name: `cytoplex_replication_${string}`,
      help: string,
      value: (status: PolicyStatus) => number,
    ): void => {
      const gauged = metrics.gauge<'policy'>({
        name,
        help,
        labels: ['policy'],
        collect() {
          gauged.reset()
          for (const policy of orders.policies()) gauged.set({ policy: policy.id }, value(replicator.status(policy)))
        },
      })
    }
    gauge('cytoplex_replication_kept_cells', 'Cells that are kept for a policy', ({ kept }) => kept)
    gauge('cytoplex_replication_kept_bytes', 'Bytes of the packages that are kept for a policy', ({ bytes }) => bytes)
    gauge('cytoplex_replication_waiting_cells', 'Cells that a policy is yet to fetch', ({ waiting }) => waiting)
    gauge('cytoplex_replication_failed_cells', 'Cells of a policy that will be tried again', ({ failed }) => failed)
  }

  async status(): Promise<ReplicationStatus> {
    const { orders, replicator } = this.#needs
    const pins = await Promise.all(orders.pins().map((pin) => this.#describe(pin)))
    return { ...this.policies(), pins, fetching: replicator.fetching }
  }

  policies(): PolicyList {
    const { orders, replicator } = this.#needs
    return { policies: orders.policies().map((policy) => replicator.status(policy)) }
  }

  /** Durable and logged when it resolves, as the others; `by` is who does it. Throws `PROV_001`, `PROV_010` and `PROV_014`. */
  async follow(policy: FollowPolicy, by: string): Promise<PolicyStatus> {
    const { orders, replicator, administration } = this.#needs
    const { partner } = policy
    if (partner !== undefined && this.#parts.partners.get(partner) === undefined) throw noPartner(partner)
    const added = await orders.add(policy, (tx, details) =>
      administration.add(tx, { act: 'follow_added', by, details }),
    )
    this.#trustFollowed()
    replicator.changed()
    return replicator.status(added)
  }

  /** What was kept because of the policy becomes ordinary copies. Throws `PROV_001`. */
  async unfollow(id: string, by: string): Promise<PolicyStatus> {
    const { orders, replicator, administration } = this.#needs
    const policy = orders.policy(id)
    const status = policy && replicator.status(policy)
    const removed = await orders.remove(id, (tx, details) =>
      administration.add(tx, { act: 'follow_removed', by, details }),
    )
    this.#trustFollowed()
    replicator.changed()
    return status ?? replicator.status(removed)
  }

  /** Throws `PROV_014` where there are too many. */
  async pin(digest: string, by: string): Promise<Pin> {
    const { orders, replicator, administration } = this.#needs
    const pin = await orders.addPin(digest, (tx, details) =>
      administration.add(tx, { act: 'package_pinned', by, details }),
    )
    await this.#keep(digest)
    replicator.changed(digest)
    return this.#describe(pin)
  }

  /** The copy stays, as an ordinary one. Throws `PROV_001` where there is no such pin. */
  async unpin(digest: string, by: string): Promise<Pin> {
    const { orders, replicator, administration } = this.#needs
    const pin = orders.pin(digest)
    const before = pin && (await this.#describe(pin))
    await orders.removePin(digest, (tx, details) => administration.add(tx, { act: 'package_unpinned', by, details }))
    for await (const { id } of this.#parts.index.cellsOfPackage(hexOf(digest))) {
      if (this.#parts.cache.keeperOf(id) !== PIN) continue
      for (const gone of await this.#parts.cache.assign(id, undefined)) this.#needs.onGone(gone)
    }
    replicator.changed()
    return before!
  }

  /** Removes the copies of a package. Throws `PROV_001`: status 404 where there is none, 409 while something keeps it. */
  async dropCopy(digest: string, by: string): Promise<CopyDropped> {
    const { cache, index } = this.#parts
    const { administration, onGone } = this.#needs
    const copies: CellRecord[] = []
    for await (const cell of index.cellsOfPackage(hexOf(digest))) if (cache.has(cell.id)) copies.push(cell)
    if (copies.length === 0) {
      throw new ProviderError('PROV_001', `there is no copy of ${digest} here`, { status: 404 })
    }
    for (const { id } of copies) {
      const keeper = cache.keeperOf(id)
      if (keeper === undefined || !this.#isInForce(keeper, digest)) continue
      const advice =
        keeper === PIN ? 'it is pinned: unpin it first' : `the policy ${keeper} keeps it: remove that first`
      throw new ProviderError('PROV_001', `${digest} stays: ${advice}`, { status: 409 })
    }
    let bytes = 0
    for (const { id, manifest } of copies) {
      const details = { digest, cell_id: id }
      const dropped = await cache.drop(id, (tx) => administration.add(tx, { act: 'copy_dropped', by, details }))
      if (dropped === undefined) continue
      bytes = manifest.package.size
      onGone(dropped)
    }
    return { digest, cells: copies.length, bytes }
  }

  /** A copy that is here is kept from now on. */
  async #keep(digest: string): Promise<void> {
    for await (const { id, origin } of this.#parts.index.cellsOfPackage(hexOf(digest))) {
      if (origin === 'cached') await this.#parts.cache.assign(id, PIN)
    }
  }

  async #describe({ digest, at }: PinOrder): Promise<Pin> {
    const cell = await this.#parts.index.cellOfPackage(hexOf(digest))
    const state = cell === undefined ? 'waiting' : cell.origin === 'registered' ? 'registered' : 'kept'
    return {
      digest,
      state,
      cell_type: cell?.manifest.cell_type ?? null,
      version: cell?.manifest.version ?? null,
      bytes: cell?.manifest.package.size ?? 0,
      pinned_at: new Date(at).toISOString(),
      last_error: cell === undefined ? (this.#needs.replicator.failureOf(digest) ?? null) : null,
    }
  }

  #isInForce(keeper: string, digest: string): boolean {
    const { orders } = this.#needs
    return keeper === PIN ? orders.pin(digest) !== undefined : orders.policy(keeper) !== undefined
  }

  #trustFollowed(): void {
    this.#parts.trust.followPublishers(this.#needs.orders.policies().flatMap(({ publisher }) => publisher ?? []))
  }
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length)
