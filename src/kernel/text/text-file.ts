import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { DerivedFile, onlyValue } from './derived-file.ts'
import { gramsOf, gramText, likeness, MAX_NAME_WORDS, nearLengths, squash, wordsOf } from './terms.ts'

/** What is found: under its name, which may be misspelt by who searches, and under the words of its text. */
export interface TextEntry {
  readonly id: string
  readonly name: string
  readonly text?: string | undefined
}

/** An entry to put in place of the one with its id, or the id of one that goes. */
export type TextChange = TextEntry | string

/** An entry that fits a search. */
export interface TextHit {
  readonly id: string
  readonly name: string
  /** From 0 to 1; 1 is the same name. */
  readonly score: number
  /** Where it fits: by its name, or only by its text. */
  readonly by: 'name' | 'text'
}

const SCHEMA = {
  version: 1,
  cacheKib: 2048,
  tables: 'CREATE TABLE positions (collection TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;',
} as const
/** Words of a text that are indexed. */
const MAX_TEXT_WORDS = 4096
/** Words of a search. The others are left out. */
const MAX_QUERY_WORDS = 8
/** Entries with a term above which it is common: it says little, and ranking by it takes long. */
const COMMON = 1000
/** Entries that one search ranks by their grams, and by their words. */
const MAX_RANKED = 4000
const MAX_RANKED_WORDS = 2000
/** Entries that share common grams, of which the shortest are looked at. */
const MAX_SHARED = 2000
/** Names that are compared with what is searched for. */
const MAX_COMPARED = 64
/** Likeness from which a name is close. */
const CLOSE = 0.5
/** Likeness from which no further way to find close names is tried. */
const VERY_CLOSE = 0.8
/** Scores of entries that have every word in their name, at least, and in their text. */
const IN_NAME = 0.6
const IN_TEXT = 0.3

const COLLECTION = /^[a-z]{1,32}$/
interface Row {
  readonly id: string
  readonly name: string
}

/** The tables of one collection, with the statements over them. */
interface Collection {
  readonly rowOf: StatementSync
  readonly putEntry: StatementSync
  readonly putGrams: StatementSync
  readonly putWords: StatementSync
  readonly deletes: readonly StatementSync[]
  readonly countGram: StatementSync
  readonly countWords: StatementSync
  readonly byGrams: StatementSync
  readonly byShared: StatementSync
  readonly byWords: StatementSync
  readonly byAnyWords: StatementSync
  readonly getPosition: StatementSync
  readonly putPosition: StatementSync
}

/** A full-text index in a {@link DerivedFile}. Everything here blocks; it belongs in a thread. */
export class TextFile {
  readonly #file: DerivedFile
  readonly #collections = new Map<string, Collection>()

  constructor(path: string) {
    this.#file = new DerivedFile(path, SCHEMA, () => this.#collections.clear())
  }

  /** Makes changes, all or none, and remembers the writer's position with them. */
  write(name: string, changes: readonly TextChange[], position?: string): void {
    this.#file.change(() => {
      const collection = this.#collection(name)
      for (const change of changes) {
        if (typeof change === 'string') remove(collection, change)
        else put(collection, change)
      }
      if (position !== undefined) collection.putPosition.run(name, position)
    })
  }

  /** The position that was written last; undefined when there is none. */
  position(name: string): string | undefined {
    return this.#file.unlessDamaged(() => {
      const position = onlyValue(this.#collection(name).getPosition, name)
      return position === undefined ? undefined : String(position)
    })
  }

  /** Removes every entry, and the position. */
  clear(name: string): void {
    this.#file.change(() => {
      this.#collection(name)
      this.#file.db.exec(`
        DELETE FROM "${name}_entries";
        INSERT INTO "${name}_grams" ("${name}_grams") VALUES ('delete-all');
        INSERT INTO "${name}_words" ("${name}_words") VALUES ('delete-all');
      `)
      this.#file.db.prepare('DELETE FROM positions WHERE collection = ?').run(name)
    })
  }

  /** The entries that fit, best first: names that are close, then whatever has every word, the last letters of which may be missing. */
  search(name: string, text: string, limit: number): TextHit[] {
    const words = wordsOf(text, MAX_QUERY_WORDS)
    if (words.length === 0) return []
    return this.#file.unlessDamaged(() => {
      const collection = this.#collection(name)
      const hits = new Map<string, TextHit>()
      const squashed = squash(words)
      const best = (): number => Math.max(0, ...Array.from(hits.values(), ({ score }) => score))
      for (const rows of closeNames(collection, squashed)) {
        for (const row of rows) {
          const score = likeness(squashed, squash(wordsOf(row.name, MAX_NAME_WORDS)))
          if (score >= CLOSE) hits.set(row.id, { ...row, score, by: 'name' })
        }
        if (best() >= VERY_CLOSE) break
      }
      for (const row of withWords(collection, words, limit)) {
        const hit = wordHit(row, words)
        if (hit.score > (hits.get(hit.id)?.score ?? 0)) hits.set(hit.id, hit)
      }
      return [...hits.values()].sort((a, b) => b.score - a.score).slice(0, limit)
    })
  }

  close(): void {
    this.#file.close()
  }

  #collection(name: string): Collection {
    let collection = this.#collections.get(name)
    if (collection === undefined) {
      if (!COLLECTION.test(name)) throw new TypeError(`"${name}" cannot name a collection: ${COLLECTION.source}`)
      collection = prepare(this.#file.db, name)
      this.#collections.set(name, collection)
    }
    return collection
  }
}

/** Texts are not kept: an index without content is a third smaller, and what it finds is looked up by id. */
function prepare(db: DatabaseSync, name: string): Collection {
  const [entries, grams, words] = [`"${name}_entries"`, `"${name}_grams"`, `"${name}_words"`]
  db.exec(`
    CREATE TABLE IF NOT EXISTS ${entries} (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
    CREATE VIRTUAL TABLE IF NOT EXISTS ${grams} USING fts5(
      name, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1');
    CREATE VIRTUAL TABLE IF NOT EXISTS ${words} USING fts5(
      words, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'ascii');
  `)
  const hits = (from: string, order = '') =>
    db.prepare(`SELECT e.id, e.name FROM (${from}) AS hit JOIN ${entries} AS e ON e.row = hit.rowid ${order} LIMIT ?`)
  const matches = (table: string, rest = 'LIMIT ?') => `SELECT rowid FROM ${table} WHERE ${table} MATCH ? ${rest}`
  return {
    rowOf: db.prepare(`SELECT row FROM ${entries} WHERE id = ?`),
    putEntry: db.prepare(`INSERT INTO ${entries} (id, name) VALUES (?, ?)`),
    putGrams: db.prepare(`INSERT INTO ${grams} (rowid, name) VALUES (?, ?)`),
    putWords: db.prepare(`INSERT INTO ${words} (rowid, words) VALUES (?, ?)`),
    deletes: [
      db.prepare(`DELETE FROM ${entries} WHERE row = ?`),
      db.prepare(`DELETE FROM ${grams} WHERE rowid = ?`),
      db.prepare(`DELETE FROM ${words} WHERE rowid = ?`),
    ],
    countGram: db.prepare(`SELECT count(*) AS count FROM (${matches(grams)})`),
    countWords: db.prepare(`SELECT count(*) AS count FROM (${matches(words)})`),
    byGrams: hits(`
      SELECT ${grams}.rowid, count(*) AS shared FROM json_each(?) AS gram CROSS JOIN ${grams}
      WHERE ${grams} MATCH gram.value GROUP BY ${grams}.rowid ORDER BY shared DESC LIMIT ?`),
    byShared: hits(matches(grams), 'ORDER BY length(e.name)'),
    byWords: hits(matches(words, 'ORDER BY rank LIMIT ?')),
    byAnyWords: hits(matches(words)),
    getPosition: db.prepare('SELECT position FROM positions WHERE collection = ?'),
    putPosition: db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?)'),
  }
}

function put(collection: Collection, { id, name, text }: TextEntry): void {
  remove(collection, id)
  const { lastInsertRowid: row } = collection.putEntry.run(id, name)
  const nameWords = wordsOf(name, MAX_NAME_WORDS)
  collection.putGrams.run(row, gramText(squash(nameWords)))
  collection.putWords.run(row, [...nameWords, ...wordsOf(text ?? '', MAX_TEXT_WORDS)].join(' '))
}

function remove({ rowOf, deletes }: Collection, id: string): void {
  const row = onlyValue(rowOf, id)
  if (row === undefined) return
  for (const statement of deletes) statement.run(row)
}

/** Words and grams hold neither quotes nor spaces; quoted, nothing in them is syntax. */
const quoted = (term: string): string => `"${term}"`

const allOf = (terms: readonly string[]): string => `(${terms.join(' AND ')})`
const anyOf = (terms: readonly string[]): string => `(${terms.join(' OR ')})`

const countOf = (statement: StatementSync, match: string, most: number): number =>
  Number(onlyValue(statement, match, most + 1))

const rowsOf = (statement: StatementSync, ...values: (string | number)[]): Row[] =>
  statement.all(...values).map(({ id, name }) => ({ id: String(id), name: String(name) }))

/**
 * Names that may be close: those that share the rarest grams, as many of these as stay within a budget. Grams that are common are good only
 * together: a mistake breaks three or four neighbours of them, so that one third of them or another is still whole, and the length is about right.
 */
function* closeNames(collection: Collection, squashed: string): Generator<Row[]> {
  const rare: string[] = []
  const common: string[] = []
  const counts = gramsOf(squashed)
    .map((gram) => ({ gram: quoted(gram), count: countOf(collection.countGram, quoted(gram), COMMON) }))
    .filter(({ count }) => count > 0)
  let ranked = 0
  for (const { gram, count } of counts.toSorted((a, b) => a.count - b.count)) {
    ranked += count
    if (count <= COMMON && ranked <= MAX_RANKED) rare.push(gram)
    else common.push(gram)
  }
  if (rare.length > 0) yield rowsOf(collection.byGrams, JSON.stringify(rare), MAX_COMPARED, MAX_COMPARED)
  if (common.length === 0) return
  const inOrder = counts.map(({ gram }) => gram).filter((gram) => common.includes(gram))
  const third = Math.ceil(inOrder.length / 3)
  const thirds = [0, 1, 2]
    .map((part) => inOrder.slice(part * third, (part + 1) * third))
    .filter(({ length }) => length > 0)
  const match = allOf([anyOf(thirds.map(allOf)), anyOf(nearLengths(squashed).map(quoted))])
  yield rowsOf(collection.byShared, match, MAX_SHARED, MAX_COMPARED)
}

/** Entries that have every word. Ranked, unless there are too many. */
function withWords(collection: Collection, words: readonly string[], limit: number): Row[] {
  const match = allOf(words.map((word) => (word.length > 1 ? `${quoted(word)} *` : quoted(word))))
  const isRanked = countOf(collection.countWords, match, MAX_RANKED_WORDS) <= MAX_RANKED_WORDS
  return rowsOf(isRanked ? collection.byWords : collection.byAnyWords, match, limit, limit)
}

/** The more of a name the words are, the better. */
function wordHit(row: Row, words: readonly string[]): TextHit {
  const own = wordsOf(row.name, MAX_NAME_WORDS)
  if (!words.every((word) => own.some((other) => other.startsWith(word)))) return { ...row, score: IN_TEXT, by: 'text' }
  const share = Math.min(1, squash(words).length / squash(own).length)
  return { ...row, score: IN_NAME + (1 - IN_NAME) * 0.75 * share, by: 'name' }
}
