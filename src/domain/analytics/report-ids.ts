import { ANALYTICS_LIMITS } from '../../../protocol/analytics.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { analyticsKeys, dayKey, keyedDigest } from './day-keys.ts'
import { DAY_MS, dayName, dayOf } from './periods.ts'

const reportIds = textKeyspace(KEYSPACES.reportIds)

/** Days before today whose ids still matter: what came at the start of the first is then older than any report may be. */
const DAYS_BACK = Math.ceil((ANALYTICS_LIMITS.reportAgeMs + LIMITS.clockSkewMs) / DAY_MS)
/** Ids that one transaction forgets. */
const FORGOTTEN_PER_WRITE = 500

/**
 * Ids of reports that were counted, as digests under the key of the day on which they came. They are on disk only. When there are too
 * many the next report is refused, because an id that is forgotten early would count twice.
 */
export class ReportIds {
  readonly #store: Store
  readonly #capacity: number
  #count = 0

  constructor(store: Store, capacity: number) {
    this.#store = store
    this.#capacity = capacity
  }

  /** Counts what is remembered from before. To be awaited before the first use. */
  async load(): Promise<void> {
    for await (const _ of this.#store.keys(reportIds)) this.#count++
  }

  /** Makes room for one id; throws `PROV_013` when there is none. Call the result when the id was not kept. */
  reserve(): () => void {
    if (this.#count >= this.#capacity) {
      throw new ProviderError(
        'PROV_013',
        `this node remembers ${this.#count} reports of the last days, the most that it can: try again tomorrow`,
      )
    }
    this.#count++
    return () => this.#count--
  }

  /** Whether the id is new; from then on it is not. */
  use(tx: Transaction, now: number, id: string): boolean {
    const today = dayOf(now)
    for (let day = today - 1; day >= today - DAYS_BACK; day--) {
      const key = tx.get(analyticsKeys, dayName(day))
      if (key !== undefined && tx.get(reportIds, nameOf(day, key, id)) !== undefined) return false
    }
    const name = nameOf(today, dayKey(tx, today), id)
    if (tx.get(reportIds, name) !== undefined) return false
    tx.put(reportIds, name, '')
    return true
  }

  /** Forgets the ids of all days before this one. */
  async forgetBefore(day: number): Promise<void> {
    let names: string[] = []
    for await (const name of this.#store.keys(reportIds)) {
      if (name >= dayName(day)) break
      names.push(name)
      if (names.length < FORGOTTEN_PER_WRITE) continue
      await this.#delete(names)
      names = []
    }
    if (names.length > 0) await this.#delete(names)
  }

  async #delete(names: readonly string[]): Promise<void> {
    await this.#store.transact((tx) => {
      for (const name of names) tx.delete(reportIds, name)
    })
    this.#count -= names.length
  }
}

const nameOf = (day: number, key: string, id: string): string => `${dayName(day)}!${keyedDigest(key, 'report', id)}`
