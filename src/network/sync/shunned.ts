import { BudgetMap } from '../../kernel/base/budget-map.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Milliseconds in which a record that was not taken is not carried again. */
const SHUN_MS = 10 * 60_000
/** Records that are remembered of one peer, and peers of whom some are. */
const RECORDS = 4096
const PEERS = 256

/** Records that one side of a reconciliation did not take, so that they do not travel at every reconciliation. */
export class Shunned {
  readonly #clock: Clock
  readonly #peers = new BudgetMap<string, BudgetMap<string, number>>(PEERS)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  has(peer: string, set: string, id: string): boolean {
    return (this.#peers.get(peer)?.get(`${set}!${id}`) ?? 0) > this.#clock.now()
  }

  add(peer: string, set: string, id: string): void {
    const records = this.#peers.get(peer) ?? new BudgetMap<string, number>(RECORDS)
    this.#peers.set(peer, records)
    records.set(`${set}!${id}`, this.#clock.now() + SHUN_MS)
  }
}
