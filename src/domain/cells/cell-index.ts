import type { CellAnswer } from '../../../protocol/cells.ts'
import { toBase64Url } from '../../kernel/base/bytes.ts'
import { ReuseCache } from '../../kernel/base/reuse-cache.ts'
import type { BlobSummary } from '../../kernel/plugins/packages/blob-stores.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import {
  type AnswerParts,
  answerParts,
  type CellAnswerText,
  decodeAnswer,
  encodeAnswer,
  finishAnswer,
} from './answer.ts'
import { byVersion, type Candidate } from './candidate.ts'
import { forgetDocument, noteDocument } from './documents.ts'
import type { CellQuery } from './query.ts'
import {
  answerTexts,
  type CellRecord,
  cellTexts,
  counters,
  type Dependent,
  decodeCell,
  dependents,
  encodeCell,
  measuredOf,
  offeredText,
  type PackageRecord,
  packageCells,
  packages,
  postings,
} from './records.ts'
import { inRange, type Ranked } from './resolver.ts'
import { type RatingPolicy, securityRating } from './security-rating.ts'
import { TIERS } from './trust.ts'

/** Candidates of the posting lists that are kept parsed: some 10 MB. */
const MAX_CANDIDATES = 16_384
/** Characters of answers that are kept in memory: those of some 4,000 cells. */
const MAX_ANSWER_LENGTH = 8 * 1024 * 1024
/** Keys of each kind, in one of two generations, that are remembered since they were asked for once: some as many as there is room for. */
const REMEMBERED = 1024

/**
 * The cells that this node holds, registered or cached, and the lists by which they are found: capability and cell type, each with
 * its candidates in order of version, so that a request reads one value and scans nothing.
 */
export class CellIndex {
  readonly #store: Store
  readonly #provider: string
  readonly #lists = new ReuseCache<readonly Candidate[]>(MAX_CANDIDATES, REMEMBERED)
  readonly #answers = new ReuseCache<AnswerParts>(MAX_ANSWER_LENGTH, REMEMBERED)
  #capabilities: Promise<{ name: string; versions: string[] }[]> | undefined
  #watcher: ((cell: Pick<CellRecord, 'id' | 'manifest'>) => void) | undefined

  constructor(store: Store, provider: string) {
    this.#store = store
    this.#provider = provider
  }

  /** Everything here that offers a name, highest version first. */
  candidates(by: CellQuery['by'], name: string): readonly Candidate[] {
    const key = postingKey(by, name)
    let list = this.#lists.get(key)
    if (list === undefined) {
      list = this.#store.get(postings, key) ?? []
      // A list without candidates weighs something, too.
      this.#lists.offer(key, list, list.length + 1)
    }
    return list
  }

  /** A cell; inside a transaction, as it stands there. */
  get(id: string, reader: Pick<Transaction, 'get'> = this.#store): CellRecord | undefined {
    const text = reader.get(cellTexts, id)
    return text === undefined ? undefined : decodeCell(id, text)
  }

  /** JSON of what peers are told of a cell (`OfferedCell`). */
  offered(id: string): string | undefined {
    const text = this.#store.get(cellTexts, id)
    return text === undefined ? undefined : offeredText(text)
  }

  /** The answer of a candidate, as things are now, with further fields. */
  answer(
    { candidate, tier }: Ranked,
    policy: RatingPolicy,
    more?: Pick<CellAnswer, 'log'>,
  ): CellAnswerText | undefined {
    const parts = this.#answerParts(candidate.id)
    if (parts === undefined) return undefined
    return finishAnswer(parts, TIERS[tier]!, securityRating(parts.steps, candidate, policy), more)
  }

  #answerParts(id: string): AnswerParts | undefined {
    const known = this.#answers.get(id)
    if (known !== undefined) return known
    const text = this.#store.get(answerTexts, id)
    if (text === undefined) return undefined
    const parts = decodeAnswer(text) ?? this.#answerOf(id)
    if (parts !== undefined) this.#answers.offer(id, parts, text.length)
    return parts
  }

  /** For cells of a release that stored answers in another form: they keep it until something is said of them again. */
  #answerOf(id: string): AnswerParts | undefined {
    const cell = this.get(id)
    return cell && answerParts(cell, this.#provider)
  }

  package(digest: string): PackageRecord | undefined {
    return this.#store.get(packages, digest)
  }

  /** Whether a cell is here. */
  has(id: string): boolean {
    return this.#store.get(cellTexts, id) !== undefined
  }

  /** A cell that the package belongs to. */
  async cellOfPackage(digest: string): Promise<CellRecord | undefined> {
    for await (const cell of this.cellsOfPackage(digest)) return cell
    return undefined
  }

  /** The cells that the package belongs to. */
  async *cellsOfPackage(digest: string): AsyncGenerator<CellRecord> {
    for await (const key of this.#store.keys(packageCells, { prefix: `${digest}!` })) {
      const cell = this.get(key.slice(digest.length + 1))
      if (cell !== undefined) yield cell
    }
  }

  /**
   * An active cell registered here that needs a version of a capability which no other registered cell has. What is withdrawn neither needs
   * anything nor stands in.
   */
  neededBy(
    tx: Transaction,
    cell: CellRecord,
    isWithdrawn: (cell: { id: string; publisher: string }) => boolean,
  ): (Dependent & { capability: string }) | undefined {
    for (const { name: capability, version } of cell.manifest.capabilities) {
      const others = (tx.get(postings, postingKey('capability', capability)) ?? []).filter(
        (other) => other.registered && other.id !== cell.id && !isWithdrawn(other),
      )
      for (const dependent of tx.get(dependents, capability) ?? []) {
        if (dependent.id === cell.id || !inRange(version, dependent.range)) continue
        if (others.some((other) => inRange(other.offered, dependent.range))) continue
        const record = this.get(dependent.id, tx)
        if (record?.origin !== 'registered' || record.status !== 'active') continue
        if (isWithdrawn({ id: record.id, publisher: record.manifest.publisher })) continue
        return { ...dependent, capability }
      }
    }
    return undefined
  }

  /** How many were registered here. */
  count(name: 'cells' | 'types' | 'capabilities'): number {
    return this.#store.get(counters, `count:${name}`) ?? 0
  }

  /** Every name under which something is held here: `capability/<name>` and `cell_type/<name>`. */
  async *names(): AsyncGenerator<string> {
    for await (const key of this.#store.keys(postings))
      yield `${key.startsWith('c:') ? 'capability' : 'cell_type'}/${key.slice(2)}`
  }

  /** The first `limit` capabilities in order of names, with the versions that were registered here. Kept until a cell comes or goes. */
  capabilities(limit: number): Promise<{ name: string; versions: string[] }[]> {
    this.#capabilities ??= this.#listCapabilities(Math.min(limit, this.count('capabilities')))
    return this.#capabilities
  }

  async #listCapabilities(count: number): Promise<{ name: string; versions: string[] }[]> {
    const found: { name: string; versions: string[] }[] = []
    if (count === 0) return found
    for await (const [key, list] of this.#store.scan(postings, { prefix: 'c:' })) {
      const versions = new Set(list.filter((candidate) => candidate.registered).map((candidate) => candidate.offered))
      if (versions.size > 0) found.push({ name: key.slice(2), versions: [...versions] })
      if (found.length === count) break
    }
    return found
  }

  /** Adds a cell to every list. `summary` is what its package's bytes are. */
  add(tx: Transaction, cell: CellRecord, summary: Pick<BlobSummary, 'size' | 'chunks'>): void {
    tx.put(cellTexts, cell.id, encodeCell(cell))
    tx.put(answerTexts, cell.id, encodeAnswer(answerParts(cell, this.#provider)))
    for (const [key, candidate] of candidatesOf(cell)) {
      const list = tx.get(postings, key) ?? []
      const at = list.findIndex((other) => byVersion(candidate, other) < 0)
      changePostings(tx, key, list, at === -1 ? [...list, candidate] : list.toSpliced(at, 0, candidate))
    }
    for (const { capability, version_constraint: range } of cell.manifest.dependencies) {
      const { cell_type: cellType, version } = cell.manifest
      tx.put(dependents, capability, [
        ...(tx.get(dependents, capability) ?? []),
        { id: cell.id, cellType, version, range },
      ])
    }
    const digest = packageDigest(cell)
    const held = tx.get(packages, digest) ?? { size: summary.size, chunks: toBase64Url(summary.chunks), refs: 0 }
    tx.put(packages, digest, { ...held, refs: held.refs + 1 })
    tx.put(packageCells, `${digest}!${cell.id}`, '')
    if (cell.origin === 'registered') bump(tx, 'cells', 1)
    noteDocument(tx, cell)
  }

  /** Makes a cached copy a registered cell. Its place in the lists stays. */
  adopt(tx: Transaction, cell: CellRecord): void {
    this.replace(tx, cell)
    bump(tx, 'cells', 1)
  }

  /** Puts what is said of a cell in place of what was said of it. Its place in the lists stays. */
  replace(tx: Transaction, cell: CellRecord): void {
    tx.put(cellTexts, cell.id, encodeCell(cell))
    tx.put(answerTexts, cell.id, encodeAnswer(answerParts(cell, this.#provider)))
    for (const [key, candidate] of candidatesOf(cell)) {
      const list = tx.get(postings, key) ?? []
      changePostings(
        tx,
        key,
        list,
        list.map((other) => (other.id === cell.id ? candidate : other)),
      )
    }
    noteDocument(tx, cell)
  }

  /** Removes a cell from every list. The caller removes the package's file once nothing names it. */
  remove(tx: Transaction, cell: CellRecord): void {
    tx.delete(cellTexts, cell.id)
    tx.delete(answerTexts, cell.id)
    for (const [key] of candidatesOf(cell)) {
      const list = tx.get(postings, key) ?? []
      changePostings(
        tx,
        key,
        list,
        list.filter((other) => other.id !== cell.id),
      )
    }
    for (const { capability } of cell.manifest.dependencies) {
      const list = (tx.get(dependents, capability) ?? []).filter((other) => other.id !== cell.id)
      if (list.length > 0) tx.put(dependents, capability, list)
      else tx.delete(dependents, capability)
    }
    const digest = packageDigest(cell)
    const held = tx.get(packages, digest)
    if (held !== undefined && held.refs > 1) tx.put(packages, digest, { ...held, refs: held.refs - 1 })
    else tx.delete(packages, digest)
    tx.delete(packageCells, `${digest}!${cell.id}`)
    if (cell.origin === 'registered') bump(tx, 'cells', -1)
    forgetDocument(tx, cell)
  }

  /** Forgets the parsed lists and the answer of a cell after its transaction is on disk. */
  changed(cell: Pick<CellRecord, 'id' | 'manifest'>): void {
    this.#answers.delete(cell.id)
    this.#capabilities = undefined
    this.#lists.delete(postingKey('cell_type', cell.manifest.cell_type))
    for (const { name } of cell.manifest.capabilities) this.#lists.delete(postingKey('capability', name))
    this.#watcher?.(cell)
  }

  /** Tells `watcher` of every cell that came, changed or went, once that is on disk. */
  watch(watcher: (cell: Pick<CellRecord, 'id' | 'manifest'>) => void): void {
    this.#watcher = watcher
  }
}

/** The package's digest in hexadecimal. */
export const packageDigest = (cell: Pick<CellRecord, 'manifest'>): string =>
  cell.manifest.package.digest.slice('sha256:'.length)

export const postingKey = (by: CellQuery['by'], name: string): string => `${by === 'capability' ? 'c' : 't'}:${name}`

/** Stores a posting list, and counts the capabilities that something was registered under. */
export function changePostings(tx: Transaction, key: string, before: readonly Candidate[], after: Candidate[]): void {
  if (after.length > 0) tx.put(postings, key, after)
  else tx.delete(postings, key)
  if (!key.startsWith('c:')) return
  const isOffered = (list: readonly Candidate[]): number => Number(list.some(({ registered }) => registered))
  const change = isOffered(after) - isOffered(before)
  if (change !== 0) bump(tx, 'capabilities', change)
}

export function bump(tx: Transaction, name: 'cells' | 'types' | 'capabilities', by: number): void {
  tx.put(counters, `count:${name}`, (tx.get(counters, `count:${name}`) ?? 0) + by)
}

/** One candidate per capability, and one for the cell type. */
export function candidatesOf(cell: CellRecord): [key: string, Candidate][] {
  const { manifest, annotations } = cell
  const measured = measuredOf(cell.report)
  const base = {
    id: cell.id,
    publisher: manifest.publisher,
    cellType: manifest.cell_type,
    version: manifest.version,
    status: cell.status,
    registered: cell.origin === 'registered',
    size: manifest.package.size,
    requirements: Object.keys(manifest.requirements).length > 0 ? manifest.requirements : undefined,
    memory: measured.memoryBytes ?? undefined,
    compileMs: measured.startupMs ?? undefined,
    declaredMemoryMb: annotations.performance?.typical_memory_mb ?? undefined,
    declaredStartupMs: annotations.performance?.typical_startup_ms ?? undefined,
  }
  const byCapability = manifest.capabilities.map(({ name, version }): [string, Candidate] => [
    postingKey('capability', name),
    { ...base, offered: version },
  ])
  return [...byCapability, [postingKey('cell_type', manifest.cell_type), { ...base, offered: manifest.version }]]
}
