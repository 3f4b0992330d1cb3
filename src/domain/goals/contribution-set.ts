/** What a node keeps in memory of a contribution. Ids and hashes are lower-case hexadecimal. */
export interface Member {
  readonly id: string
  readonly contributor: string
  readonly pack: string
}

/** What taking candidates in changes. */
export interface SetChange<M extends Member> {
  readonly added: readonly M[]
  readonly evicted: readonly M[]
}

/**
 * The contributions to a goal that are kept: of each contributor those with the smallest ids, and of all these the smallest. Both rules look at
 * ids alone, so that nodes which heard of the same contributions keep the same ones, whatever the order, and however they were split.
 */
export class ContributionSet<M extends Member> {
  readonly #perContributor: number
  readonly #most: number
  readonly #members = new Map<string, M>()
  /** Contributor → its members, smallest id first. */
  readonly #ofContributor = new Map<string, M[]>()
  readonly #ofPack = new Map<string, M[]>()

  constructor(limits: { readonly perContributor: number; readonly most: number }) {
    this.#perContributor = limits.perContributor
    this.#most = limits.most
  }

  get size(): number {
    return this.#members.size
  }

  get(id: string): M | undefined {
    return this.#members.get(id)
  }

  members(): IterableIterator<M> {
    return this.#members.values()
  }

  /** The members with this pack, smallest id first. */
  withPack(pack: string): readonly M[] {
    return this.#ofPack.get(pack) ?? []
  }

  /** What it would change if these, of which none is a member, came in. Changes nothing. */
  plan(candidates: readonly M[]): SetChange<M> {
    const added = new Map<string, M>()
    const evicted = new Map<string, M>()
    for (const [contributor, some] of Map.groupBy(candidates, (candidate) => candidate.contributor)) {
      const before = this.#ofContributor.get(contributor) ?? []
      // Most contributors have room, and then those before are not looked at.
      if (before.length + some.length <= this.#perContributor) {
        for (const one of some) added.set(one.id, one)
        continue
      }
      const all = [...before, ...some].sort(byId)
      for (const one of all.slice(0, this.#perContributor)) if (!this.#members.has(one.id)) added.set(one.id, one)
      for (const one of all.slice(this.#perContributor)) if (this.#members.has(one.id)) evicted.set(one.id, one)
    }
    for (let over = this.#members.size + added.size - evicted.size - this.#most; over > 0; over--) {
      const largest = this.#largest(added, evicted)
      if (!added.delete(largest.id)) evicted.set(largest.id, largest)
    }
    return { added: [...added.values()], evicted: [...evicted.values()] }
  }

  /** Does what was planned. */
  apply({ added, evicted }: SetChange<M>): void {
    for (const one of evicted) {
      this.#members.delete(one.id)
      leave(this.#ofContributor, one.contributor, one)
      leave(this.#ofPack, one.pack, one)
    }
    for (const one of added) {
      this.#members.set(one.id, one)
      enter(this.#ofContributor, one.contributor, one)
      enter(this.#ofPack, one.pack, one)
    }
  }

  #largest(added: ReadonlyMap<string, M>, evicted: ReadonlyMap<string, M>): M {
    let largest: M | undefined
    for (const members of [this.#members, added]) {
      for (const one of members.values()) {
        if (!evicted.has(one.id) && (largest === undefined || one.id > largest.id)) largest = one
      }
    }
    return largest!
  }
}

const byId = (a: Member, b: Member): number => (a.id < b.id ? -1 : 1)

function enter<M extends Member>(lists: Map<string, M[]>, key: string, one: M): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [one])
  else list.splice(placeOf(list, one.id), 0, one)
}

function leave<M extends Member>(lists: Map<string, M[]>, key: string, one: M): void {
  const list = lists.get(key) ?? []
  const at = placeOf(list, one.id)
  if (list[at]?.id === one.id) list.splice(at, 1)
  if (list.length === 0) lists.delete(key)
}

/** How many of a list in the order of ids are before `id`. */
function placeOf(list: readonly Member[], id: string): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.id < id) low = middle + 1
    else high = middle
  }
  return low
}
