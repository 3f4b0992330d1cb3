/** What a node keeps in memory of a contribution. Ids and hashes are lower-case hexadecimal. */
export interface Member {
  readonly id: string
  readonly contributor: string
  readonly pack: string
  /** What it takes on disk. */
  readonly bytes: number
}

/** What taking candidates in changes. */
export interface SetChange<M extends Member> {
  readonly added: readonly M[]
  readonly evicted: readonly M[]
  /** See {@link ContributionSet.bound}. */
  readonly bound: string | undefined
}

/**
 * The contributions to a goal that are kept: of each contributor those with the smallest ids, and of all these the smallest. Both rules look at
 * ids alone, so that nodes which heard of the same contributions keep the same ones, whatever the order, and however they were split.
 *
 * How many bytes a node has for them is its own affair: where they are too many, again the largest ids go, and nothing from the smallest of
 * those on is taken any more. So it keeps a beginning of what the others keep, and does not fetch again what it cannot keep.
 */
export class ContributionSet<M extends Member> {
  readonly #perContributor: number
  readonly #most: number
  readonly #mostBytes: number
  readonly #members = new Map<string, M>()
  /** Contributor → its members, smallest id first. */
  readonly #ofContributor = new Map<string, M[]>()
  readonly #ofPack = new Map<string, M[]>()

  #bytes = 0
  #bound: string | undefined
  /** The members, smallest id first, from the first time on that there was no room. */
  #order: M[] | undefined

  /** `bound` is what it was before a restart. */
  constructor(limits: {
    readonly perContributor: number
    readonly most: number
    readonly bytes: number
    readonly bound?: string | undefined
  }) {
    this.#perContributor = limits.perContributor
    this.#most = limits.most
    this.#mostBytes = limits.bytes
    this.#bound = limits.bound
  }

  /** The smallest id for which there was no room: from it on, nothing is taken. Undefined while there was room for all. */
  get bound(): string | undefined {
    return this.#bound
  }

  /** Of all members. */
  get bytes(): number {
    return this.#bytes
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
    let bound = this.#bound
    const possible = bound === undefined ? candidates : candidates.filter(({ id }) => id < bound!)
    for (const [contributor, some] of Map.groupBy(possible, (candidate) => candidate.contributor)) {
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
    let count = this.#members.size + added.size - evicted.size
    let bytes = this.#bytes + sumOf(added.values()) - sumOf(evicted.values())
    if (count > this.#most || bytes > this.#mostBytes) {
      for (const one of this.#largestFirst(added, evicted)) {
        if (count <= this.#most && bytes <= this.#mostBytes) break
        if (!added.delete(one.id)) evicted.set(one.id, one)
        bound = one.id
        bytes -= one.bytes
        count--
      }
    }
    return { added: [...added.values()], evicted: [...evicted.values()], bound }
  }

  /** Does what was planned. */
  apply({ added, evicted, bound }: SetChange<M>): void {
    this.#bound = bound
    for (const one of evicted) {
      this.#members.delete(one.id)
      this.#bytes -= one.bytes
      if (this.#order !== undefined) takeOut(this.#order, one)
      leave(this.#ofContributor, one.contributor, one)
      leave(this.#ofPack, one.pack, one)
    }
    for (const one of added) {
      this.#members.set(one.id, one)
      this.#bytes += one.bytes
      if (this.#order !== undefined) putIn(this.#order, one)
      enter(this.#ofContributor, one.contributor, one)
      enter(this.#ofPack, one.pack, one)
    }
  }

  /** The members that stay, and those that come in. */
  *#largestFirst(added: ReadonlyMap<string, M>, evicted: ReadonlyMap<string, M>): Generator<M> {
    this.#order ??= [...this.#members.values()].sort(byId)
    const order = this.#order
    const coming = [...added.values()].sort(byId)
    for (let i = order.length - 1, j = coming.length - 1; i >= 0 || j >= 0; ) {
      const isMember = j < 0 || (i >= 0 && order[i]!.id > coming[j]!.id)
      const one = isMember ? order[i--]! : coming[j--]!
      if (!evicted.has(one.id)) yield one
    }
  }
}

const byId = (a: Member, b: Member): number => (a.id < b.id ? -1 : 1)

function sumOf(members: Iterable<Member>): number {
  let sum = 0
  for (const { bytes } of members) sum += bytes
  return sum
}

function enter<M extends Member>(lists: Map<string, M[]>, key: string, one: M): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [one])
  else putIn(list, one)
}

function leave<M extends Member>(lists: Map<string, M[]>, key: string, one: M): void {
  const list = lists.get(key) ?? []
  takeOut(list, one)
  if (list.length === 0) lists.delete(key)
}

function putIn<M extends Member>(list: M[], one: M): void {
  list.splice(placeOf(list, one.id), 0, one)
}

function takeOut<M extends Member>(list: M[], one: M): void {
  const at = placeOf(list, one.id)
  if (list[at]?.id === one.id) list.splice(at, 1)
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
