import { compare } from 'semver'
import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'

/** A cell that another node offers. */
export interface DirectoryEntry {
  readonly provider: string
  readonly cell: AnnouncedCell
  /** Version of the name that it was looked up by: the capability's, or by cell type the cell's. */
  readonly offered: string
  /** Unix milliseconds. */
  readonly announcedAt: number
  readonly expiresAt: number
}

/** Who offers one name. */
interface Offers {
  /** Of each provider, highest version first. */
  readonly byProvider: Map<string, DirectoryEntry[]>
  count: number
}

/**
 * Names and who offers them. Bounded by `LIMITS.announcedPerProvider` and `LIMITS.announcedPerName`: past those the lowest versions are
 * left out, of the provider that has the most under that name. What was left out counts again when its page is announced again.
 */
export class NameIndex {
  readonly #names = new Map<string, Offers>()

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Every name, in no order. */
  names(): Iterable<string> {
    return this.#names.keys()
  }

  /** In no order; at most `LIMITS.announcedPerName`. */
  *find(name: string): Generator<DirectoryEntry> {
    for (const entries of this.#names.get(name)?.byProvider.values() ?? []) yield* entries
  }

  /** False when there is no room for the entry. */
  add(name: string, entry: DirectoryEntry): boolean {
    const offers = this.#names.get(name) ?? { byProvider: new Map<string, DirectoryEntry[]>(), count: 0 }
    const own = offers.byProvider.get(entry.provider) ?? []
    if (own.length >= LIMITS.announcedPerProvider) {
      if (!isHigher(entry, own.at(-1))) return false
      own.pop()
      offers.count--
    } else if (offers.count >= LIMITS.announcedPerName) {
      const most = largest(offers, own)
      if (most === own && !isHigher(entry, own.at(-1))) return false
      most.pop()
      offers.count--
    }
    own.splice(position(own, entry), 0, entry)
    offers.count++
    offers.byProvider.set(entry.provider, own)
    this.#names.set(name, offers)
    return true
  }

  /** Does nothing when the entry was left out meanwhile. */
  delete(name: string, entry: DirectoryEntry): void {
    const offers = this.#names.get(name)
    const own = offers?.byProvider.get(entry.provider)
    const at = own?.indexOf(entry) ?? -1
    if (offers === undefined || own === undefined || at === -1) return
    own.splice(at, 1)
    offers.count--
    if (own.length === 0) offers.byProvider.delete(entry.provider)
    if (offers.count === 0) this.#names.delete(name)
  }
}

const isHigher = (entry: DirectoryEntry, other: DirectoryEntry | undefined): boolean =>
  other !== undefined && compare(entry.offered, other.offered) > 0

/** The longest list of a name; `own` unless another is longer than it would become. */
function largest({ byProvider }: Offers, own: DirectoryEntry[]): DirectoryEntry[] {
  let most = own
  let length = Math.max(own.length, 1)
  for (const entries of byProvider.values()) {
    if (entries.length > length) {
      most = entries
      length = entries.length
    }
  }
  return most
}

/** Where an entry belongs: behind those with the same version. */
function position(entries: readonly DirectoryEntry[], entry: DirectoryEntry): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(entries[middle]!.offered, entry.offered) >= 0) low = middle + 1
    else high = middle
  }
  return low
}
