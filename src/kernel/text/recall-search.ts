import type { StatementSync } from 'node:sqlite'
import { onlyValue } from './derived-file.ts'
import type { QuantizedVectors } from './quantized-vectors.ts'
import { ALIKE, beside, fused, informationOf, K1, likenessOfMeaning, likenessOfWords, recency } from './relevance.ts'

/** What is looked for in a group. */
export interface RecallQuery {
  /** Words in the form of `searchTerms`. */
  readonly terms: readonly string[]
  /** What the search means, and the cosine that texts which have nothing in common rarely reach. */
  readonly meaning: { readonly vector: Float32Array; readonly unrelated: number } | undefined
  /** Unix milliseconds: which age counts from. */
  readonly now: number
  readonly from: number | undefined
  readonly to: number | undefined
  readonly thread: string | undefined
  readonly author: string | undefined
  /** Least score. */
  readonly threshold: number
  readonly limit: number
}

/** A text that was found. */
export interface RecallHit {
  readonly key: string
  /** 0 to 1. */
  readonly score: number
}

/** What was found. */
export interface RecallFound {
  /** Best first; what scores alike: newest first, then by key. */
  readonly hits: readonly RecallHit[]
  /** Of all that fit. */
  readonly total: number
}

/** What is known of a text beside its words. */
export interface RecallRow {
  readonly key: string
  readonly thread: string
  /** Its place in the thread, from 1; null for what stands in none. */
  readonly position: number | null
  readonly author: string | null
  readonly at: number
}

/** What a search looks at. */
export interface SearchedGroup {
  /** By their number, from 0; in the full-text table by the next one. */
  readonly rows: readonly (RecallRow | undefined)[]
  readonly rowOf: ReadonlyMap<string, number>
  /** By thread, then by position: the numbers of rows. */
  readonly threads: ReadonlyMap<string, readonly (number | undefined)[]>
  /** Rows that were ever inserted: a contentless table of FTS5 does not count down when one is deleted. */
  readonly inserted: number
  readonly vectors: QuantizedVectors | undefined
  /** How many rows have a word. */
  readonly count: StatementSync
  /** Those rows, each with FTS5's `bm25()`, as arrays. */
  readonly score: StatementSync
}

/** Texts of a group above which a word that a quarter of them have is not scored where there are others: it would take long and say little. */
const MANY = 4000

/** The best texts of a group by words and meaning. */
export function searchGroup(group: SearchedGroup, query: RecallQuery): RecallFound {
  const scores = ownScores(group, query)
  const best = new Best(query.limit)
  for (const [row, held] of group.rows.entries()) {
    const own = scores[row]!
    if (own === 0 || held === undefined || !fits(held, query)) continue
    const places = held.position === null ? undefined : group.threads.get(held.thread)
    const before = scores[places?.[held.position! - 1] ?? -1] ?? 0
    const after = scores[places?.[held.position! + 1] ?? -1] ?? 0
    const score = beside(own, Math.max(before, after)) * recency(query.now - held.at)
    if (score >= query.threshold) best.add({ key: held.key, score, at: held.at })
  }
  return { hits: best.hits.map(({ key, score }) => ({ key, score })), total: best.seen }
}

/** By row, how well each text fits by itself, whatever the filters: neighbours of what they let through count. 0 where it does not. */
function ownScores(group: SearchedGroup, { terms, meaning }: RecallQuery): Float64Array {
  const shares = sharesOfWords(group, terms)
  const { vectors } = group
  const cosineOf =
    meaning !== undefined && vectors?.dimensions === meaning.vector.length ? vectors.cosines(meaning.vector) : undefined
  const scores = new Float64Array(group.rows.length)
  for (let row = 0; row < scores.length; row++) {
    if (group.rows[row] === undefined) continue
    const words = likenessOfWords(shares?.[row] ?? 0)
    const cosine = cosineOf?.(row)
    const like = cosine === undefined ? undefined : likenessOfMeaning(cosine, meaning?.unrelated ?? 0)
    if (words > 0 || (like ?? 0) >= ALIKE) scores[row] = fused(words, like)
  }
  return scores
}

const fits = ({ at, thread, author }: RecallRow, query: RecallQuery): boolean =>
  at >= (query.from ?? at) &&
  at <= (query.to ?? at) &&
  thread === (query.thread ?? thread) &&
  author === (query.author ?? author)

/**
 * By row, the part of what the words could say at most (BM25) that a text says; undefined where no text has any. FTS5 weighs words by how rare they
 * are so that one that half of the texts have counts nothing, which in a session of three texts most do: its weight is divided out.
 */
function sharesOfWords(group: SearchedGroup, terms: readonly string[]): Float32Array | undefined {
  const texts = group.rowOf.size
  const asked = terms.map((term) => `"${term}"`)
  const isTelling = (having: number): boolean => texts <= MANY || having * 4 <= texts
  const counts = texts <= MANY ? undefined : asked.map((match) => Number(onlyValue(group.count, match)))
  const hasTelling = counts?.some((having) => having > 0 && isTelling(having)) ?? true
  const shares = new Float32Array(group.rows.length)
  let most = 0
  let isFound = false
  for (const [index, match] of asked.entries()) {
    const known = counts?.[index]
    const isScored = known === undefined || !hasTelling || isTelling(known)
    const rows = isScored ? (group.score.all(match) as unknown as [rowid: number, bm25: number][]) : []
    const having = known ?? rows.length
    const information = informationOf(texts, having)
    most += information
    if (rows.length === 0) continue
    isFound = true
    // The inverse document frequency of SQLite's fts5_aux.c.
    const frequency = Math.max(1e-6, Math.log((group.inserted - having + 0.5) / (having + 0.5)))
    const weight = information / (frequency * (K1 + 1))
    for (const [rowid, bm25] of rows) shares[rowid - 1]! -= bm25 * weight
  }
  if (!isFound) return undefined
  for (let row = 0; row < shares.length; row++) shares[row]! /= most
  return shares
}

interface Candidate extends RecallHit {
  readonly at: number
}

/** The best candidates, best first: by score, then newest, then by key. */
class Best {
  readonly hits: Candidate[] = []
  readonly #limit: number
  seen = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  add(candidate: Candidate): void {
    this.seen++
    const { hits } = this
    if (hits.length === this.#limit && order(hits.at(-1)!, candidate) <= 0) return
    let at = hits.length
    while (at > 0 && order(hits[at - 1]!, candidate) > 0) at--
    hits.splice(at, 0, candidate)
    if (hits.length > this.#limit) hits.pop()
  }
}

const order = (a: Candidate, b: Candidate): number =>
  b.score - a.score || b.at - a.at || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
