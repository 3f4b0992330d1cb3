import { Range, validRange } from 'semver'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  SEVERITIES,
  type Severity,
  VULNERABILITY_LIMITS,
  type Vulnerability,
  type VulnerabilityBatchAnswer,
  type VulnerabilityEntry,
  type VulnerabilityList,
  type VulnerabilityListQuery,
} from '../../../protocol/vulnerabilities.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { equalJson } from '../../kernel/base/equal-json.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { type Candidate, semver } from './candidate.ts'
import { counters } from './records.ts'

const vulnerabilities = jsonKeyspace<readonly Vulnerability[]>(KEYSPACES.vulnerabilities)
const COUNT = 'count:vulnerabilities'

/** A cell as far as a vulnerability names it. What an announcement does not say is the package's digest. */
export type VulnerableCell = Pick<Candidate, 'id' | 'publisher' | 'cellType' | 'version' | 'digest'>

/** What of an open vulnerability decides about requests. */
interface Open extends Pick<Vulnerability, 'id' | 'severity'> {
  readonly publisher: string | undefined
  readonly affected: string | undefined
  readonly digest: string | undefined
}

/** What is in memory of a cell type. */
interface Known {
  readonly count: number
  /** The worst first. */
  readonly open: readonly Open[]
}

/** Called in the transaction that records or removes a vulnerability, so that the entry about it in the log is written with it or not at all. */
export type VulnerabilityWitness = (
  tx: Transaction,
  act: 'vulnerability_recorded' | 'vulnerability_removed',
  vulnerability: Vulnerability,
) => void

/**
 * Vulnerabilities of cells, here and elsewhere, as administrators and feeds recorded them. What decides about requests is in memory; a
 * type of which nothing was recorded costs one look-up.
 */
export class Vulnerabilities {
  readonly #store: Store
  readonly #clock: Clock
  readonly #digestOf: (id: string) => string | undefined
  /** By cell type. */
  readonly #known = new Map<string, Known>()
  /** Cell types in order; undefined after a change. */
  #types: readonly string[] | undefined

  /** `digestOf`: the package's digest of a cell that this node holds. Asked only where a vulnerability names one. */
  constructor(parts: { store: Store; clock: Clock; digestOf: (id: string) => string | undefined }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#digestOf = parts.digestOf
  }

  /** Reads in what was recorded. To be awaited before the first request. */
  async load(): Promise<void> {
    for await (const [cellType, list] of this.#store.scan(vulnerabilities)) this.#remember(cellType, list)
  }

  /** The id of an open critical vulnerability of a cell; undefined when none is known. */
  openCritical(cell: VulnerableCell): string | undefined {
    const worst = this.#worst(cell)
    return worst?.severity === 'critical' ? worst.id : undefined
  }

  /** The severity of the worst open vulnerability of a cell; undefined when none is known. */
  worstOpen(cell: VulnerableCell): Severity | undefined {
    return this.#worst(cell)?.severity
  }

  /** Everything that was recorded of a cell, mitigated or not, in order of ids. */
  of(cell: VulnerableCell): Vulnerability[] {
    if (!this.#known.has(cell.cellType)) return []
    const list = this.#store.get(vulnerabilities, cell.cellType) ?? []
    return list.filter((vulnerability) => this.#affects(vulnerability, cell))
  }

  /**
   * Records vulnerabilities, all or none; what is there already in the same words stays as it is. Durable when it resolves. Throws
   * `PROV_001` for one that cannot be right, `PROV_014` where there is no room for so many.
   */
  async record(
    entries: readonly VulnerabilityEntry[],
    by: string,
    witness: VulnerabilityWitness,
  ): Promise<VulnerabilityBatchAnswer> {
    const byType = Map.groupBy(entries, (entry) => entry.cell_type)
    for (const [cellType, list] of byType) assertRight(cellType, list)
    const recorded_at = new Date(this.#clock.now()).toISOString()
    const changed = await this.#store.transact((tx) => {
      const news: Vulnerability[] = []
      const lists = new Map<string, readonly Vulnerability[]>()
      let total = tx.get(counters, COUNT) ?? 0
      for (const [cellType, incoming] of byType) {
        const before = tx.get(vulnerabilities, cellType) ?? []
        const list = new Map(before.map((one) => [one.id, one]))
        for (const entry of incoming) {
          const recorded: Vulnerability = {
            ...entry,
            mitigated: entry.mitigated ?? false,
            recorded_at,
            recorded_by: by,
          }
          const known = list.get(entry.id)
          if (known !== undefined && equalJson(said(known), said(recorded))) continue
          list.set(entry.id, recorded)
          news.push(recorded)
        }
        if (list.size > VULNERABILITY_LIMITS.perCellType) {
          throw full(`${cellType} would have ${list.size} vulnerabilities, at most ${VULNERABILITY_LIMITS.perCellType}`)
        }
        total += list.size - before.length
        lists.set(cellType, [...list.values()].sort(byId))
      }
      if (total > VULNERABILITY_LIMITS.records) {
        throw full(`this node would hold ${total} vulnerabilities, at most ${VULNERABILITY_LIMITS.records}`)
      }
      if (news.length === 0) return { news, lists: new Map<string, readonly Vulnerability[]>() }
      for (const [cellType, list] of lists) tx.put(vulnerabilities, cellType, list)
      tx.put(counters, COUNT, total)
      for (const one of news) witness(tx, 'vulnerability_recorded', one)
      return { news, lists }
    })
    for (const [cellType, list] of changed.lists) this.#remember(cellType, list)
    return { recorded: changed.news.length, unchanged: entries.length - changed.news.length }
  }

  /** A recorded vulnerability. */
  get(cellType: string, id: string): Vulnerability | undefined {
    return this.#store.get(vulnerabilities, cellType)?.find((one) => one.id === id)
  }

  /** Forgets a vulnerability. Durable when it resolves. Throws `PROV_001` with status 404 when there is none. */
  async remove(cellType: string, id: string, witness: VulnerabilityWitness): Promise<Vulnerability> {
    const { removed, left } = await this.#store.transact((tx) => {
      const list = tx.get(vulnerabilities, cellType) ?? []
      const removed = list.find((one) => one.id === id)
      if (removed === undefined) {
        throw new ProviderError('PROV_001', `there is no vulnerability ${id} of ${cellType}`, { status: 404 })
      }
      const left = list.filter((one) => one !== removed)
      if (left.length > 0) tx.put(vulnerabilities, cellType, left)
      else tx.delete(vulnerabilities, cellType)
      tx.put(counters, COUNT, (tx.get(counters, COUNT) ?? 1) - 1)
      witness(tx, 'vulnerability_removed', removed)
      return { removed, left }
    })
    this.#remember(cellType, left)
    return removed
  }

  /** A page of what was recorded, in order of cell types, then of ids. */
  list({ cell_type, limit = LIMITS.defaultPage, offset = 0 }: VulnerabilityListQuery): VulnerabilityList {
    this.#types ??= [...this.#known.keys()].sort()
    const types = cell_type === undefined ? this.#types : [cell_type]
    const page: Vulnerability[] = []
    let total = 0
    for (const type of types) {
      const count = this.#known.get(type)?.count ?? 0
      const from = offset - total
      total += count
      if (page.length >= limit || from >= count) continue
      const start = Math.max(0, from)
      const list = this.#store.get(vulnerabilities, type) ?? []
      page.push(...list.slice(start, start + limit - page.length))
    }
    return { total, limit, offset, vulnerabilities: page }
  }

  #remember(cellType: string, list: readonly Vulnerability[]): void {
    this.#types = undefined
    if (list.length === 0) {
      this.#known.delete(cellType)
      return
    }
    const open = list
      .filter(({ mitigated }) => !mitigated)
      .map(({ id, publisher, affected, digest, severity }) => ({ id, publisher, affected, digest, severity }))
      .sort((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))
    this.#known.set(cellType, { count: list.length, open })
  }

  #worst(cell: VulnerableCell): Open | undefined {
    return this.#known.get(cell.cellType)?.open.find((open) => this.#affects(open, cell))
  }

  #affects({ publisher, affected, digest }: Partial<Open>, cell: VulnerableCell): boolean {
    if (publisher !== undefined && publisher !== cell.publisher) return false
    if (affected !== undefined && !rangeOf(affected).test(semver(cell.version))) return false
    return digest === undefined || digest === (cell.digest ?? this.#digestOf(cell.id))
  }
}

const ranges = new Map<string, Range>()
const MAX_RANGES = 10_000

/** A prerelease of an affected version is affected too, so these ranges are not those that requests name. */
function rangeOf(text: string): Range {
  let range = ranges.get(text)
  if (range === undefined) {
    range = new Range(text, { includePrerelease: true })
    if (ranges.size >= MAX_RANGES) ranges.clear()
    ranges.set(text, range)
  }
  return range
}

function assertRight(cellType: string, entries: readonly VulnerabilityEntry[]): void {
  const ids = new Set<string>()
  for (const { id, affected, digest } of entries) {
    if (ids.has(id)) throw new ProviderError('PROV_001', `${id} of ${cellType} is named twice`)
    ids.add(id)
    if (affected === undefined && digest === undefined) {
      throw new ProviderError('PROV_001', `${id} of ${cellType} names no cells: affected, digest or both are needed`)
    }
    if (affected !== undefined && validRange(affected) === null) {
      const found = JSON.stringify(affected)
      throw new ProviderError(
        'PROV_001',
        `${id}: affected is ${found}, allowed is an npm semver range such as "<1.2.3"`,
      )
    }
  }
}

/** What a feed says, without when and by whom. */
const said = ({ recorded_at: _at, recorded_by: _by, ...rest }: Vulnerability): object => rest

const byId = (a: Vulnerability, b: Vulnerability): number => (a.id < b.id ? -1 : 1)

const full = (message: string): ProviderError => new ProviderError('PROV_014', `${message} are kept`)
