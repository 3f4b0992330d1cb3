import { randomBytes } from 'node:crypto'
import type { StatementSync } from 'node:sqlite'
import { BudgetMap } from '../base/budget-map.ts'
import { sha256 } from '../base/hash.ts'
import { shareOf, weightOf } from './bm25.ts'
import { DerivedFile, onlyValue } from './derived-file.ts'
import { passagesOf } from './passages.ts'
import { quoted, sentencesOf } from './sentences.ts'
import { tokensOf } from './tokens.ts'

/** A document, under the id of its cell. */
export interface IndexedDocument {
  readonly id: string
  /** SHA-256 of its bytes, as text; orders what ranks alike. */
  readonly digest: string
  /** UTF-8. What is not has no passages. */
  readonly bytes: Uint8Array
}

/** A passage that fits a question. */
export interface PassageHit {
  readonly id: string
  /** Number of the passage in its document. */
  readonly passage: number
  readonly score: number
}

/** What was found among the documents of a selection. */
export interface Found {
  /** Best first. */
  readonly hits: readonly PassageHit[]
  /** For each word of the question, how much it says: `weightOf`. */
  readonly weights: readonly number[]
}

const SCHEMA = {
  version: 1,
  cacheKib: 8192,
  tables: `
    CREATE TABLE documents (
      doc INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, first INTEGER NOT NULL, passages BLOB NOT NULL);
    CREATE TABLE postings (term TEXT NOT NULL, block INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (term, block)) WITHOUT ROWID;
    INSERT INTO state VALUES ('passages', '0');
  `,
} as const

/** Passages of one value in the table of postings: a posting is its passage's place there and how often the word is in it, in 16 bits. */
const BLOCK = 8192
/** How often a word counts in one passage: what three bits hold, and more says little. */
const MAX_COUNT = 7
/** Bytes of postings that are kept in memory: those of the words that are asked for most. */
const POSTING_BYTES = 32 * 1024 * 1024
/** Selections that are remembered: one for each domain and jurisdiction that is asked about, and those of constraints. */
const MAX_SELECTIONS = 32
/** Postings that one question reads: some 15 ms. The words that say the least are left out. */
const MAX_POSTINGS = 2_000_000
/** 32-bit numbers that are kept of a passage: number of words, and the first 8 bytes of the hash of its text. */
const FIELDS = 3
/** Passages of documents that went, from which on the file is made anew when they are most of it. */
const MIN_DEAD = 10_000

interface Document {
  readonly id: string
  readonly digest: string
  readonly first: number
  /** {@link FIELDS} for each passage. */
  readonly passages: Uint32Array
}

/** A set of documents that questions are answered from. */
interface Selection {
  /** For each passage whether it is one of theirs. */
  readonly mask: Uint8Array
  readonly total: number
  /** Of all of them. */
  readonly words: number
}

interface Candidate {
  readonly passage: number
  readonly document: Document
  readonly score: number
  /** Of its text. */
  readonly hash: string
}

/**
 * Which passages of documents have which words, in a {@link DerivedFile}; and the best passages for a question, ranked in whole numbers over
 * those documents alone that the question selects. Texts are not kept. Everything here blocks; it belongs in a thread.
 */
export class PassageFile {
  readonly #file: DerivedFile
  #documents = new Map<string, Document>()
  /** Document of each passage, by its number. */
  #owners: (Document | undefined)[] = []
  #statements: Statements | undefined
  #generation = ''
  #dead = 0
  #scores = new Int32Array(0)
  readonly #selections = new BudgetMap<string, Selection>(MAX_SELECTIONS)
  readonly #postings = new BudgetMap<string, readonly Block[]>(POSTING_BYTES)

  constructor(path: string) {
    this.#file = new DerivedFile(path, SCHEMA, () => {
      this.#statements = undefined
    })
  }

  /** Another one whenever what was written may be gone. */
  get generation(): string {
    this.#ready()
    return this.#generation
  }

  /** Documents that are in it. */
  ids(): string[] {
    this.#ready()
    return [...this.#documents.keys()]
  }

  /** Puts documents in, and takes others out; all or none. One that is in already stays. */
  write(documents: readonly IndexedDocument[], removed: readonly string[]): void {
    const statements = this.#ready()
    const added: Document[] = []
    this.#file.change(() => {
      for (const id of removed) statements.removeDocument.run(id)
      const terms = new Map<string, number[]>()
      let next = this.#owners.length
      for (const { id, digest, bytes } of documents) {
        if (this.#documents.has(id)) continue
        const passages = readPassages(bytes, next, terms)
        added.push({ id, digest, first: next, passages })
        statements.putDocument.run(id, digest, next, bytesOf(passages))
        next += passages.length / FIELDS
      }
      for (const [term, postings] of terms) appendPostings(statements, term, postings)
      statements.putCount.run(String(next))
    })
    for (const id of removed) this.#forget(id)
    for (const document of added) this.#remember(document)
    // Their postings grew.
    if (added.length > 0) this.#postings.clear()
    if (this.#dead > MIN_DEAD && this.#dead * 2 > this.#owners.length) this.#file.empty()
  }

  /** Remembers a set of documents under a key. How many of them are not in the index: then nothing is remembered. */
  select(key: string, ids: readonly string[]): number {
    this.#ready()
    const mask = new Uint8Array(this.#owners.length)
    let [missing, total, words] = [0, 0, 0]
    for (const id of ids) {
      const document = this.#documents.get(id)
      if (document === undefined) {
        missing++
        continue
      }
      const { first, passages } = document
      const count = passages.length / FIELDS
      mask.fill(1, first, first + count)
      total += count
      for (let at = 0; at < passages.length; at += FIELDS) words += passages[at]!
    }
    if (missing === 0) this.#selections.set(key, { mask, total, words })
    return missing
  }

  /** The best passages of a selection for the words of a question; undefined where the selection is not remembered. `cold`: read from the file. */
  search(key: string, tokens: readonly string[], limit: number, cold = false): Found | undefined {
    const statements = this.#ready()
    const selection = this.#selections.get(key)
    if (selection === undefined) return undefined
    if (cold) this.#postings.clear()
    const { mask, total } = selection
    const words = tokens.map((token) => {
      const blocks = this.#blocksOf(statements, token)
      const found = countIn(blocks, mask)
      return { token, blocks, found, weight: weightOf(total, found) }
    })
    const ranked = words
      .filter(({ found }) => found > 0)
      .sort((a, b) => a.found - b.found || (a.token < b.token ? -1 : 1))
    let budget = MAX_POSTINGS
    const touched: number[] = []
    for (const { blocks, found, weight } of ranked) {
      if (found > budget) break
      budget -= found
      this.#score(selection, blocks, weight, touched)
    }
    const hits = this.#best(touched, limit)
    for (const passage of touched) this.#scores[passage] = 0
    return { hits, weights: words.map(({ weight }) => weight) }
  }

  close(): void {
    this.#file.close()
  }

  /** Statements, with what is kept in memory of the file. */
  #ready(): Statements {
    if (this.#statements !== undefined) return this.#statements
    return this.#file.unlessDamaged(() => {
      const statements = prepare(this.#file)
      this.#documents = new Map()
      this.#owners = new Array(Number(onlyValue(statements.getCount)))
      this.#dead = this.#owners.length
      this.#selections.clear()
      this.#postings.clear()
      this.#generation = randomBytes(8).toString('hex')
      for (const row of statements.allDocuments.iterate()) {
        const passages = wordsOfBlob(row.passages as Uint8Array)
        this.#remember({ id: String(row.id), digest: String(row.digest), first: Number(row.first), passages })
        this.#dead -= passages.length / FIELDS
      }
      this.#statements = statements
      return statements
    })
  }

  #remember(document: Document): void {
    this.#documents.set(document.id, document)
    const count = document.passages.length / FIELDS
    for (let at = 0; at < count; at++) this.#owners[document.first + at] = document
    // What was selected before covers only what there was.
    if (this.#scores.length < this.#owners.length) this.#scores = new Int32Array(this.#owners.length * 2)
  }

  #forget(id: string): void {
    const document = this.#documents.get(id)
    if (document === undefined) return
    this.#documents.delete(id)
    this.#dead += document.passages.length / FIELDS
  }

  #blocksOf({ getPostings }: Statements, token: string): readonly Block[] {
    const known = this.#postings.get(token)
    if (known !== undefined) return known
    const blocks = this.#file.unlessDamaged(() =>
      getPostings
        .all(token)
        .map(({ block, data }) => ({ first: Number(block) * BLOCK, data: postingsOf(data as Uint8Array) })),
    )
    this.#postings.set(token, blocks, 64 + blocks.reduce((bytes, { data }) => bytes + data.byteLength, 0))
    return blocks
  }

  #score({ mask, total, words }: Selection, blocks: readonly Block[], weight: number, touched: number[]): void {
    const scores = this.#scores
    for (const { first, data } of blocks) {
      for (let at = 0; at < data.length; at++) {
        const posting = data[at]!
        const passage = first + (posting >> 3)
        if (mask[passage] !== 1) continue
        const { first: begun, passages } = this.#owners[passage]!
        const length = passages[(passage - begun) * FIELDS]!
        if (scores[passage] === 0) touched.push(passage)
        // One more than nothing, so that what every passage has still finds some.
        scores[passage]! += 1 + weight * shareOf(posting & MAX_COUNT, length, total, words)
      }
    }
  }

  /** Of passages with the same text, one. */
  #best(touched: readonly number[], limit: number): PassageHit[] {
    const best: Candidate[] = []
    for (const passage of touched) {
      const score = this.#scores[passage]!
      const last = best.length === limit ? best[limit - 1] : undefined
      if (last !== undefined && score < last.score) continue
      const document = this.#owners[passage]!
      const at = (passage - document.first) * FIELDS
      const hash = `${document.passages[at + 1]}:${document.passages[at + 2]}`
      const candidate: Candidate = { passage, document, score, hash }
      const same = best.findIndex((other) => other.hash === hash)
      if (same !== -1) {
        if (!isBetter(candidate, best[same]!)) continue
        best.splice(same, 1)
      }
      const place = best.findIndex((other) => isBetter(candidate, other))
      best.splice(place === -1 ? best.length : place, 0, candidate)
      if (best.length > limit) best.pop()
    }
    return best.map(({ passage, document, score }) => ({ id: document.id, passage: passage - document.first, score }))
  }
}

/** Postings of a word in one block of passages. */
interface Block {
  readonly first: number
  readonly data: Uint16Array
}

interface Statements {
  readonly getCount: StatementSync
  readonly putCount: StatementSync
  readonly allDocuments: StatementSync
  readonly putDocument: StatementSync
  readonly removeDocument: StatementSync
  readonly getPostings: StatementSync
  readonly getBlock: StatementSync
  readonly putBlock: StatementSync
}

const prepare = ({ db }: DerivedFile): Statements => ({
  getCount: db.prepare("SELECT value FROM state WHERE key = 'passages'"),
  putCount: db.prepare("UPDATE state SET value = ? WHERE key = 'passages'"),
  allDocuments: db.prepare('SELECT id, digest, first, passages FROM documents'),
  putDocument: db.prepare('INSERT INTO documents (id, digest, first, passages) VALUES (?, ?, ?, ?)'),
  removeDocument: db.prepare('DELETE FROM documents WHERE id = ?'),
  getPostings: db.prepare('SELECT block, data FROM postings WHERE term = ? ORDER BY block'),
  getBlock: db.prepare('SELECT data FROM postings WHERE term = ? AND block = ?'),
  putBlock: db.prepare('INSERT OR REPLACE INTO postings VALUES (?, ?, ?)'),
})

/** Cuts a document in passages, numbered from `first` on, and notes their words. */
function readPassages(bytes: Uint8Array, first: number, terms: Map<string, number[]>): Uint32Array {
  const text = decoded(bytes)
  if (text === undefined) return new Uint32Array(0)
  const sentences = sentencesOf(text)
  const passages = passagesOf(sentences)
  const fields = new Uint32Array(passages.length * FIELDS)
  for (const [number, { first: from, end }] of passages.entries()) {
    const counts = new Map<string, number>()
    const own = sentences.slice(from, end)
    let length = 0
    for (const sentence of own) {
      for (const token of tokensOf(text, sentence.start, sentence.end)) {
        counts.set(token, (counts.get(token) ?? 0) + 1)
        length++
      }
    }
    const hash = sha256(own.map(({ start, end }) => quoted(text.slice(start, end))).join('\n'))
    const view = new DataView(hash.buffer, hash.byteOffset)
    fields.set([length, view.getUint32(0), view.getUint32(4)], number * FIELDS)
    for (const [term, count] of counts) {
      const postings = terms.get(term)
      if (postings === undefined) terms.set(term, [first + number, count])
      else postings.push(first + number, count)
    }
  }
  return fields
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** `postings`: number of a passage and how often the word is in it, one after the other, in order. */
function appendPostings({ getBlock, putBlock }: Statements, term: string, postings: readonly number[]): void {
  for (let at = 0; at < postings.length; ) {
    const block = Math.floor(postings[at]! / BLOCK)
    const own: number[] = []
    for (; at < postings.length && Math.floor(postings[at]! / BLOCK) === block; at += 2)
      own.push(((postings[at]! % BLOCK) << 3) | Math.min(postings[at + 1]!, MAX_COUNT))
    const before = onlyValue(getBlock, term, block) as Uint8Array | undefined
    const data = Uint16Array.from(own)
    const more = new Uint8Array(data.buffer)
    putBlock.run(term, block, before === undefined ? more : Buffer.concat([before, more]))
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Copies, because what SQLite gives may stand anywhere. */
const postingsOf = (data: Uint8Array): Uint16Array => new Uint16Array(new Uint8Array(data).buffer)
const wordsOfBlob = (data: Uint8Array): Uint32Array => new Uint32Array(new Uint8Array(data).buffer)

function countIn(blocks: readonly Block[], mask: Uint8Array): number {
  let count = 0
  for (const { first, data } of blocks)
    for (let at = 0; at < data.length; at++) count += mask[first + (data[at]! >> 3)] ?? 0
  return count
}

/** A higher score; then the smaller digest, the smaller id of the cell, the earlier passage. */
function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.score !== b.score) return a.score > b.score
  if (a.document.digest !== b.document.digest) return a.document.digest < b.document.digest
  if (a.document.id !== b.document.id) return a.document.id < b.document.id
  return a.passage < b.passage
}
