import type { Alternative } from '../../../protocol/cells.ts'
import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellNames } from '../../domain/cells/cell-names.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, type SelectionPolicy } from '../../domain/cells/resolver.ts'
import type { AnnouncedNames } from '../../domain/federation/announced-names.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { within } from '../../kernel/base/racing.ts'
import { likenessOf } from '../../kernel/text/terms.ts'
import type { TextHit } from '../../kernel/text/text-index.ts'
import type { NodeParts } from '../parts.ts'
import { fieldOf } from './field.ts'

interface Parts extends SelectionPolicy, Pick<NodeParts, 'clock' | 'logger' | 'directory'> {
  readonly index: Pick<NodeParts['index'], 'candidates' | 'get'>
  readonly cellNames: Pick<CellNames, 'caughtUp' | 'search' | 'forget'>
  readonly announcedNames: Pick<AnnouncedNames, 'caughtUp' | 'search'>
}

/** Milliseconds that an answer waits for close names, and the share of them for what was registered or announced just now to be indexed. */
const DEADLINE_MS = 100
const FRESH_SHARE = 0.4
/** Searches under way; past that, answers do without. */
const MAX_SEARCHES = 16
/** Names that are looked at for one answer. */
const MAX_NAMES = 32
/** Milliseconds for which a search is not repeated, and how many are remembered. */
const REMEMBERED_MS = 5000
const MAX_REMEMBERED = 1000

interface Remembered {
  readonly hits: readonly TextHit[]
  /** Unix milliseconds. */
  readonly until: number
}

/** A candidate of some name, here or announced, with what it offers where it is known to. */
interface Found {
  readonly candidate: Candidate
  readonly capability: { readonly name: string; readonly version: string }
}

/**
 * What to offer instead where nobody has what was asked for: cells with a name that is close, and cells whose description or tags speak of it. An
 * answer never fails for it, and hardly waits.
 */
export class CloseNames {
  readonly #parts: Parts
  readonly #deadlineMs: number
  readonly #remembered = new BudgetMap<string, Remembered>(MAX_REMEMBERED)
  #searches = 0

  constructor(parts: Parts, deadlineMs = DEADLINE_MS) {
    this.#parts = parts
    this.#deadlineMs = deadlineMs
  }

  /** At most `most`, each the best active cell of another name that fits the request but for its range. Never throws. */
  async alternatives(query: CellQuery, most: number): Promise<Alternative[]> {
    const found = new Map<string, Alternative>()
    const gone: string[] = []
    for (const hit of await this.#hits(query.name)) {
      if (found.size >= most) break
      const by = hit.id.startsWith('c:') ? 'capability' : 'cell_type'
      if (by === query.by && hit.name === query.name) continue
      const other = this.#best({ ...query, by, name: hit.name, range: undefined }, query.name)
      if (other === undefined) {
        if (this.#parts.index.candidates(by, hit.name).length === 0) gone.push(hit.id)
        continue
      }
      const { candidate, capability } = other
      if (found.has(candidate.id)) continue
      const why = hit.by === 'name' ? 'another name' : 'its description or tags say so'
      found.set(candidate.id, {
        capability: capability.name,
        cell_type: candidate.cellType,
        version: candidate.version,
        compatibility_notes: `${why}: offers ${capability.name} ${capability.version}`,
        source: sourceOf(candidate),
      })
    }
    if (gone.length > 0) this.#forget(gone)
    return [...found.values()]
  }

  async #hits(name: string): Promise<readonly TextHit[]> {
    const { clock, logger } = this.#parts
    const remembered = this.#remembered.get(name)
    if (remembered !== undefined && clock.now() < remembered.until) return remembered.hits
    if (this.#searches >= MAX_SEARCHES) return []
    this.#searches++
    try {
      const search = new AbortController()
      const hits = await within(this.#search(name, search.signal), this.#deadlineMs, () => {
        search.abort(new Error('the answer does not wait any longer'))
        return undefined
      })
      if (hits === undefined) return []
      this.#remembered.set(name, { hits, until: clock.now() + REMEMBERED_MS }, 1)
      return hits
    } catch (error) {
      logger.debug({ reason: errorMessage(error) }, 'close names could not be searched for')
      return []
    } finally {
      this.#searches--
    }
  }

  /** Of names that are both here and announced, one. */
  async #search(name: string, signal: AbortSignal): Promise<readonly TextHit[]> {
    const { cellNames, announcedNames } = this.#parts
    const caughtUp = Promise.all([cellNames.caughtUp(), announcedNames.caughtUp()])
    await within<unknown>(caughtUp, FRESH_SHARE * this.#deadlineMs, () => undefined)
    const options = { limit: MAX_NAMES, signal }
    const sources = [cellNames.search(name, options), announcedNames.search(name, options)]
    const hits = new Map<string, TextHit>()
    for (const hit of (await Promise.all(sources)).flat()) hits.set(hit.id, hit)
    return [...hits.values()].sort((a, b) => b.score - a.score).slice(0, MAX_NAMES)
  }

  #best(query: CellQuery, asked: string): Found | undefined {
    const { index } = this.#parts
    const { announced, floor } = fieldOf(query, this.#parts)
    const candidates = [...index.candidates(query.by, query.name), ...announced]
    const active = candidates.filter(({ status }) => status === 'active')
    const candidate = best(query, active, this.#parts, floor)?.candidate
    if (candidate === undefined) return undefined
    if (query.by === 'capability') return { candidate, capability: { name: query.name, version: candidate.offered } }
    const [first, ...others] = this.#capabilities(candidate)
    if (first === undefined) return undefined
    const likeness = likenessOf(asked)
    const capability = others.reduce((a, b) => (likeness(b.name) > likeness(a.name) ? b : a), first)
    return { candidate, capability }
  }

  #capabilities({ id, cellType }: Candidate): readonly { readonly name: string; readonly version: string }[] {
    const here = this.#parts.index.get(id)
    if (here !== undefined) return here.manifest.capabilities
    for (const { cell } of this.#parts.directory.find('cell_type', cellType)) {
      if (cell.manifest_digest === id) return cell.capabilities
    }
    return []
  }

  /** Announced names go by themselves. */
  #forget(ids: readonly string[]): void {
    this.#parts.cellNames.forget(ids).catch((error: unknown) => {
      this.#parts.logger.debug({ reason: errorMessage(error) }, 'names that are gone stay in the text index')
    })
  }
}

/** As in the search for capabilities: a copy that was pulled through is of others. */
export const sourceOf = (candidate: Candidate): 'local' | 'federated' =>
  candidate.registered && !('provider' in candidate) ? 'local' : 'federated'
