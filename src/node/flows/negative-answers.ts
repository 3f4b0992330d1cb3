import type { CellQuery } from '../../domain/cells/query.ts'
import type { RequestOutcome } from '../api.ts'

/** Milliseconds for which nobody is asked again for a name that nobody offers. */
const MEMORY_MS = 2000
const MAX_NAMES = 10_000

type NotFound = RequestOutcome & { readonly status: 'not_found' }
type Name = Pick<CellQuery, 'by' | 'name'>

/** Names that nobody offers, as every source and every peer that was asked has just answered. */
export class NegativeAnswers {
  readonly #now: () => number
  readonly #names = new Map<string, { readonly outcome: NotFound; readonly until: number }>()

  /** `now`: Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  get(name: Name): NotFound | undefined {
    const answer = this.#names.get(keyOf(name))
    if (answer === undefined || answer.until > this.#now()) return answer?.outcome
    this.#names.delete(keyOf(name))
    return undefined
  }

  /** Remembers an outcome that says so of a name. */
  add(name: Name, outcome: RequestOutcome): void {
    if (outcome.status !== 'not_found' || outcome.code !== 'PROV_003' || !isComplete(outcome)) return
    if (this.#names.size >= MAX_NAMES) this.#names.clear()
    this.#names.set(keyOf(name), { outcome, until: this.#now() + MEMORY_MS })
  }
}

const isComplete = ({ coverage }: NotFound): boolean =>
  coverage.sources.every(({ outcome }) => outcome === 'answered') &&
  coverage.peers.every(({ outcome }) => outcome === 'not_found')

const keyOf = ({ by, name }: Name): string => `${by}/${name}`
