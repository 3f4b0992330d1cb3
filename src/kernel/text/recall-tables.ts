import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { onlyValue } from './derived-file.ts'
import { QuantizedVectors } from './quantized-vectors.ts'
import { type RecallFound, type RecallQuery, type RecallRow, type SearchedGroup, searchGroup } from './recall-search.ts'
import { indexedText } from './recall-words.ts'

/** A text to be found. */
export interface RecallText {
  readonly key: string
  /** What it belongs to, such as its conversation: several can be removed at once by it. */
  readonly thread: string
  /** Its place in the thread, from 1; null for what stands in none, such as a summary. */
  readonly position: number | null
  readonly author: string | null
  /** Unix milliseconds. */
  readonly at: number
  readonly text: string
}

/** Bytes of memory of a text beside its words and its vector, and of a group: measured. */
const TEXT_BYTES = 320
const GROUP_BYTES = 48 * 1024
const PAGE_BYTES = 1024
/** Positions of a thread that have neighbours: a list with a hole of millions would be a table of its own. */
const MAX_POSITION = 1_000_000
/** Words by their stems, without accents. */
const TOKENIZER = 'porter unicode61 remove_diacritics 2'

/** One group, with the statements over its table. */
interface Group extends SearchedGroup {
  readonly table: string
  readonly rows: (RecallRow | undefined)[]
  readonly rowOf: Map<string, number>
  /** Numbers of rows that may be given again. */
  readonly free: number[]
  /** By thread, then by position: the numbers of rows. */
  readonly threads: Map<string, (number | undefined)[]>
  /** One string for each thread and author, whoever names it. */
  readonly names: Map<string, string>
  readonly put: StatementSync
  readonly remove: StatementSync
  inserted: number
  vectors: QuantizedVectors | undefined
  pages: number
}

/**
 * Full-text indexes and vectors of many groups of texts, each by itself, in memory. What was not searched or written for longest is dropped as a
 * whole when all take more than `maxBytes`; the group in use stays. Texts themselves are not kept. Everything here blocks; it belongs in a thread.
 */
export class RecallTables {
  readonly #maxBytes: number
  readonly #db = new DatabaseSync(':memory:')
  /** What was used last is the last. */
  readonly #groups = new Map<string, Group>()
  readonly #pageCount: StatementSync
  readonly #freePages: StatementSync
  #tables = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA temp_store = MEMORY;`)
    this.#pageCount = this.#db.prepare('PRAGMA page_count')
    this.#freePages = this.#db.prepare('PRAGMA freelist_count')
  }

  /** An empty group in the place of whatever there is. */
  begin(id: string): void {
    this.drop(id)
    const table = `texts_${++this.#tables}`
    const before = this.#usedPages()
    this.#db.exec(
      `CREATE VIRTUAL TABLE ${table} USING fts5(words, content = '', contentless_delete = 1, tokenize = '${TOKENIZER}')`,
    )
    const match = `FROM ${table} WHERE ${table} MATCH ?`
    const score = this.#db.prepare(`SELECT rowid, bm25(${table}) ${match}`)
    score.setReturnArrays(true)
    this.#groups.set(id, {
      table,
      rows: [],
      rowOf: new Map(),
      free: [],
      threads: new Map(),
      names: new Map(),
      put: this.#db.prepare(`INSERT INTO ${table} (rowid, words) VALUES (?, ?)`),
      remove: this.#db.prepare(`DELETE FROM ${table} WHERE rowid = ?`),
      count: this.#db.prepare(`SELECT count(*) FROM (SELECT rowid ${match})`),
      score,
      inserted: 0,
      vectors: undefined,
      pages: this.#usedPages() - before,
    })
  }

  /** Puts texts in, each in the place of the one with its key, whose vector goes. False when the group is not there. */
  put(id: string, texts: readonly RecallText[]): boolean {
    return this.#change(id, (group) => {
      for (const { key, thread, position, author, at, text } of texts) {
        removeRow(group, group.rowOf.get(key))
        const row = group.free.pop() ?? group.rows.length
        const held: RecallRow = {
          key,
          thread: named(group, thread),
          position,
          author: author === null ? null : named(group, author),
          at,
        }
        group.rows[row] = held
        group.rowOf.set(key, row)
        placeRow(group, held, row)
        group.put.run(row + 1, indexedText(text))
        group.inserted++
      }
    })
  }

  /** What texts mean; those that are not there are passed over. False when the group is not there. */
  setVectors(id: string, vectors: readonly (readonly [key: string, vector: Float32Array])[]): boolean {
    return this.#change(id, (group) => {
      for (const [key, vector] of vectors) {
        const row = group.rowOf.get(key)
        if (row === undefined) continue
        if (group.vectors?.dimensions !== vector.length) group.vectors = new QuantizedVectors(vector.length)
        group.vectors.set(row, vector)
      }
    })
  }

  /** Takes texts out by their keys or by their threads. False when the group is not there. */
  remove(id: string, keys: readonly string[]): boolean {
    return this.#change(id, (group) => {
      const threads = new Set<string>()
      for (const key of keys) {
        const row = group.rowOf.get(key)
        if (row === undefined) threads.add(key)
        else removeRow(group, row)
      }
      if (![...threads].some((thread) => group.names.has(thread))) return
      for (const thread of threads) group.threads.delete(thread)
      for (const [row, held] of group.rows.entries()) {
        if (held !== undefined && threads.has(held.thread)) removeRow(group, row)
      }
    })
  }

  drop(id: string): void {
    const group = this.#groups.get(id)
    if (group === undefined) return
    this.#groups.delete(id)
    this.#db.exec(`DROP TABLE ${group.table}`)
  }

  /** Undefined when the group is not there. */
  search(id: string, query: RecallQuery): RecallFound | undefined {
    const group = this.#use(id)
    if (group === undefined) return undefined
    return searchGroup(group, query)
  }

  /** Bytes that all groups take, about. */
  get bytes(): number {
    let sum = 0
    for (const group of this.#groups.values()) sum += bytesOf(group)
    return sum
  }

  close(): void {
    this.#groups.clear()
    this.#db.close()
  }

  #change(id: string, work: (group: Group) => void): boolean {
    const group = this.#use(id)
    if (group === undefined) return false
    const before = this.#usedPages()
    this.#db.exec('BEGIN')
    try {
      work(group)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      // Rows and table may say different things now.
      this.drop(id)
      throw error
    }
    group.pages += this.#usedPages() - before
    this.#makeRoom(id)
    return true
  }

  #use(id: string): Group | undefined {
    const group = this.#groups.get(id)
    if (group === undefined) return undefined
    this.#groups.delete(id)
    this.#groups.set(id, group)
    return group
  }

  #makeRoom(inUse: string): void {
    let bytes = this.bytes
    for (const [id, group] of this.#groups) {
      if (bytes <= this.#maxBytes || id === inUse) return
      bytes -= bytesOf(group)
      this.drop(id)
    }
  }

  #usedPages(): number {
    return Number(onlyValue(this.#pageCount)) - Number(onlyValue(this.#freePages))
  }
}

function placeRow({ threads }: Group, { thread, position }: RecallRow, row: number): void {
  if (position === null || position > MAX_POSITION) return
  const places = threads.get(thread) ?? []
  threads.set(thread, places)
  places[position] = row
}

function removeRow(group: Group, row: number | undefined): void {
  const held = row === undefined ? undefined : group.rows[row]
  if (row === undefined || held === undefined) return
  group.rows[row] = undefined
  group.rowOf.delete(held.key)
  const places = group.threads.get(held.thread)
  if (places !== undefined && held.position !== null) delete places[held.position]
  group.free.push(row)
  group.vectors?.delete(row)
  group.remove.run(row + 1)
}

function named({ names }: Group, name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  names.set(name, name)
  return name
}

const bytesOf = ({ pages, rows, vectors }: Group): number =>
  GROUP_BYTES + pages * PAGE_BYTES + rows.length * TEXT_BYTES + (vectors?.bytes ?? 0)
