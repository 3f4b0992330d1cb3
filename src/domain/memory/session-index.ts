import { unlessAborted } from '../../kernel/base/racing.ts'
import type { RecallFound, RecallIndex, RecallQuery, RecallText } from '../../kernel/text/recall-index.ts'
import type { MemoryText, SessionTexts } from './recall.ts'

/** Texts and UTF-16 code units of them that are sent to the index at once: what another session's search may wait behind. */
const PIECE_TEXTS = 128
const PIECE_UNITS = 128 * 1024
/** Vectors that are sent at once. */
const PIECE_VECTORS = 256
/** How often an index is made again because it was gone before it was used: sessions that do not fit beside each other take turns. */
const ATTEMPTS = 3
/** Sessions that are known to be in the index; of those beyond, it is made again when it is asked for. */
const MAX_KNOWN = 100_000

/** An index that is being made. */
interface Build {
  /** Keys that were added meanwhile: what is read of them may be older. */
  readonly added: Set<string>
  /** Keys of texts, and ids of conversations, that are gone meanwhile: what is read of them must not come back. */
  readonly removed: Set<string>
  /** Whether it is of no use any more. */
  isForgotten: boolean
  /** Whether it came to its end. */
  done: Promise<boolean>
}

export interface SessionIndexOptions {
  readonly index: RecallIndex
  readonly texts: SessionTexts
  /** Whose vectors are read. */
  readonly model: string
  /** Called with the texts of a session that have no vector. */
  readonly onMissing: (sessionId: string, keys: readonly string[]) => void
}

/** The index of each session, made of its sealed texts when it is first searched, and kept equal to them afterwards. */
export class SessionIndex {
  readonly #options: SessionIndexOptions
  readonly #builds = new Map<string, Build>()
  /** Those whose index was made, and may be there still. */
  readonly #known = new Set<string>()

  constructor(options: SessionIndexOptions) {
    this.#options = options
  }

  /** Makes the index first where it is not there. */
  async search(sessionId: string, query: () => Promise<RecallQuery>, signal: AbortSignal): Promise<RecallFound> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [asked, isMade] = await Promise.all([query(), this.#isMade(sessionId, signal)])
      if (!isMade) continue
      const found = await this.#options.index.search(sessionId, asked, signal)
      if (found !== undefined) return found
      this.#known.delete(sessionId)
    }
    throw new Error('the index of the session was gone again and again before it could be searched')
  }

  added(sessionId: string, texts: readonly MemoryText[]): void {
    const build = this.#builds.get(sessionId)
    for (const { key } of texts) {
      build?.added.add(key)
      build?.removed.delete(key)
    }
    if (build === undefined && !this.#known.has(sessionId)) return
    this.#follow(sessionId, this.#options.index.put(sessionId, texts.map(indexed)))
  }

  hasVectors(sessionId: string, vectors: ReadonlyMap<string, Float32Array>): void {
    if (!this.#builds.has(sessionId) && !this.#known.has(sessionId)) return
    this.#follow(sessionId, this.#options.index.setVectors(sessionId, [...vectors]))
  }

  removed(sessionId: string, keys: readonly string[]): void {
    const build = this.#builds.get(sessionId)
    for (const key of keys) build?.removed.add(key)
    if (build === undefined && !this.#known.has(sessionId)) return
    this.#follow(sessionId, this.#options.index.remove(sessionId, keys))
  }

  forget(sessionId: string): void {
    const build = this.#builds.get(sessionId)
    if (build !== undefined) build.isForgotten = true
    if (build === undefined && !this.#known.has(sessionId)) return
    this.#known.delete(sessionId)
    this.#options.index.drop(sessionId).catch(() => undefined)
  }

  /** An index that did not get a change is another one than the session's: it is made again. */
  #follow(sessionId: string, change: Promise<boolean>): void {
    change.then(
      (isThere) => {
        if (!isThere) this.#lost(sessionId)
      },
      () => this.#lost(sessionId),
    )
  }

  #lost(sessionId: string): void {
    this.#known.delete(sessionId)
    const build = this.#builds.get(sessionId)
    if (build !== undefined) build.isForgotten = true
  }

  async #isMade(sessionId: string, signal: AbortSignal): Promise<boolean> {
    if (this.#known.has(sessionId)) return true
    const build = this.#builds.get(sessionId) ?? this.#start(sessionId)
    return unlessAborted(build.done, signal)
  }

  #start(sessionId: string): Build {
    const build: Build = { added: new Set(), removed: new Set(), isForgotten: false, done: Promise.resolve(false) }
    this.#builds.set(sessionId, build)
    build.done = this.#build(sessionId, build).finally(() => this.#builds.delete(sessionId))
    return build
  }

  async #build(sessionId: string, build: Build): Promise<boolean> {
    const { index, texts, model, onMissing } = this.#options
    await index.begin(sessionId)
    const missing = new Set<string>()
    for await (const piece of pieces(texts.texts(sessionId))) {
      // Between this and the order to the index nothing else happens: what is removed later is removed there.
      const fresh = piece.filter(({ key, thread }) => !isStale(build, key) && !build.removed.has(thread))
      for (const { key } of fresh) missing.add(key)
      if (build.isForgotten || !(await index.put(sessionId, fresh))) return false
    }
    let vectors: [string, Float32Array][] = []
    for await (const [key, vector] of texts.vectors(sessionId, model)) {
      if (!missing.delete(key) || build.added.has(key)) continue
      vectors.push([key, vector])
      if (vectors.length < PIECE_VECTORS) continue
      if (build.isForgotten || !(await index.setVectors(sessionId, vectors))) return false
      vectors = []
    }
    if (build.isForgotten || !(await index.setVectors(sessionId, vectors))) return false
    this.#knows(sessionId)
    if (missing.size > 0) onMissing(sessionId, [...missing])
    return true
  }

  #knows(sessionId: string): void {
    this.#known.add(sessionId)
    for (const oldest of this.#known) {
      if (this.#known.size <= MAX_KNOWN) return
      this.#known.delete(oldest)
    }
  }
}

const isStale = ({ added, removed }: Build, key: string): boolean => added.has(key) || removed.has(key)

async function* pieces(texts: AsyncIterable<MemoryText>): AsyncGenerator<RecallText[]> {
  let piece: RecallText[] = []
  let units = 0
  for await (const text of texts) {
    piece.push(indexed(text))
    units += text.text.length
    if (piece.length < PIECE_TEXTS && units < PIECE_UNITS) continue
    yield piece
    piece = []
    units = 0
  }
  if (piece.length > 0) yield piece
}

const indexed = ({ key, conversationId, turnNumber, agent, at, text }: MemoryText): RecallText => ({
  key,
  thread: conversationId,
  position: turnNumber,
  author: agent,
  at,
  text,
})
