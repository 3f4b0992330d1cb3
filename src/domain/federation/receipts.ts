import { LIMITS } from '../../../protocol/limits.ts'
import type { Receipt } from '../../../protocol/receipt.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Providers that one prober may have receipts about: more than it can probe in a receipt's lifetime. */
const MAX_PER_PROBER = 256
/** Own observations, signed or not: this node also learns from what it asks for anyway. */
const MAX_OWN = 4096
/** Providers of which it is remembered when they were last seen. */
const MAX_SEEN = 10_000

/** What one prober says of one provider. */
interface Word {
  readonly ok: boolean
  /** Unix milliseconds. */
  readonly at: number
  /** Absent for an own observation that was not signed. */
  readonly token?: string
  /** The address group of the prober; absent for an own one. */
  readonly group?: string
}

/** Which receipts count. */
export interface ReceiptPolicy {
  readonly clock: Clock
  /** This node's provider id. */
  readonly self: string
  /** Whether a node is a partner or a pinned witness of the operator. */
  counts(prober: string): boolean
}

/**
 * Which providers were reached lately, by this node and by those whose receipts count for it (SECURITY 17). What this node found itself decides;
 * else the majority of the others, one for each address group. Nobody's word about itself counts, and a stranger's is not even kept. All of it
 * is in memory: receipts live a quarter of an hour.
 */
export class Receipts {
  readonly #policy: ReceiptPolicy
  /** Prober → provider → its newest word, the oldest first. */
  readonly #words = new Map<string, Map<string, Word>>()
  readonly #seen = new BudgetMap<string, number>(MAX_SEEN)

  constructor(policy: ReceiptPolicy) {
    this.#policy = policy
  }

  /** What this node found; with a token, to be told to others. */
  observed(provider: string, word: Word): void {
    this.#remember(this.#policy.self, provider, word, MAX_OWN)
  }

  /** Takes in a verified receipt of a prober in this address group: of several in one group, the newest counts. False when it does not count, is too old, from the future, or no news. */
  take({ prober, provider, ok, at }: Receipt, token: string, group: string): boolean {
    const { self, clock } = this.#policy
    if (prober === self || prober === provider || provider === self || !this.#policy.counts(prober)) return false
    if (at > clock.now() + LIMITS.clockSkewMs || !this.#isFresh(at)) return false
    if ((this.#words.get(prober)?.get(provider)?.at ?? 0) >= at) return false
    this.#remember(prober, provider, { ok, at, token, group }, MAX_PER_PROBER)
    return true
  }

  /** Whether a provider can be reached, as far as anybody who counts has tried lately; null where nobody has. */
  reachable(provider: string): boolean | null {
    const own = this.ownWord(provider)
    if (own !== undefined) return own.ok
    const groups = new Map<string, Word>()
    for (const [prober, words] of this.#words) {
      const word = words.get(provider)
      if (word === undefined || !this.#isFresh(word.at) || !this.#policy.counts(prober)) continue
      const { group = '' } = word
      if ((groups.get(group)?.at ?? 0) < word.at) groups.set(group, word)
    }
    let balance = 0
    for (const { ok } of groups.values()) balance += ok ? 1 : -1
    return balance === 0 ? null : balance > 0
  }

  /** Providers in the order in which they are asked: those that were reached, those of which nothing is known, those that were not. */
  inOrder(providers: Iterable<string>): string[] {
    const places = new Map(Array.from(providers, (provider) => [provider, this.place(provider)]))
    return [...places.keys()].sort((a, b) => places.get(a)! - places.get(b)!)
  }

  /** 0 for a provider that was reached, 1 where nothing is known, 2 for one that was not. */
  place(provider: string): 0 | 1 | 2 {
    const reachable = this.reachable(provider)
    return reachable === null ? 1 : reachable ? 0 : 2
  }

  /** When a provider was last reached or connected: Unix milliseconds. */
  lastSeen(provider: string): number | undefined {
    return this.#seen.get(provider)
  }

  /** A provider is, or was until now, connected. */
  seen(provider: string, at: number): void {
    const before = this.#seen.get(provider) ?? 0
    this.#seen.set(provider, Math.max(before, at))
  }

  /** What this node found lately. */
  ownWord(provider: string): Word | undefined {
    const own = this.#words.get(this.#policy.self)?.get(provider)
    return own !== undefined && this.#isFresh(own.at) ? own : undefined
  }

  /** Tokens of what this node found since then, the newest first. */
  ownTokens(since: number, most: number): string[] {
    const words = [...(this.#words.get(this.#policy.self)?.values() ?? [])].filter(
      ({ at, token }) => token !== undefined && at > since && this.#isFresh(at),
    )
    return words
      .sort((a, b) => b.at - a.at)
      .slice(0, most)
      .map(({ token }) => token!)
  }

  /** When a prober's newest receipt was made; 0 where there is none. */
  newestOf(prober: string): number {
    let newest = 0
    for (const { at } of this.#words.get(prober)?.values() ?? []) newest = Math.max(newest, at)
    return newest
  }

  /** Forgets what is too old, and those whose word does not count any more. */
  sweep(): void {
    for (const [prober, words] of this.#words) {
      const counts = prober === this.#policy.self || this.#policy.counts(prober)
      for (const [provider, { at }] of words) if (!counts || !this.#isFresh(at)) words.delete(provider)
      if (words.size === 0) this.#words.delete(prober)
    }
  }

  #remember(prober: string, provider: string, word: Word, most: number): void {
    const words = this.#words.get(prober) ?? new Map<string, Word>()
    this.#words.set(prober, words)
    words.delete(provider)
    words.set(provider, word)
    if (words.size > most) words.delete(words.keys().next().value!)
    if (word.ok) this.seen(provider, word.at)
  }

  #isFresh(at: number): boolean {
    return at > this.#policy.clock.now() - LIMITS.receiptLifetimeMs
  }
}
