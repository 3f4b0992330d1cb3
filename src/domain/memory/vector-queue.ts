import { setTimeout as wait } from 'node:timers/promises'
import type { Embeddings } from '../../kernel/plugins/packages/embeddings.ts'
import type { SessionTexts } from './recall.ts'

/** Texts of one batch: a search may wait behind it. */
const BATCH = 4
/** Texts that may wait, by their keys: ten megabytes. Those of others are found again when their session is next read. */
const MAX_WAITING = 100_000
/** Milliseconds for one batch: a service on another machine may take its time. */
const BATCH_MS = 60_000
/** Milliseconds until the next batch after one that failed. */
const PAUSE_MS = 30_000
/** Searches whose vectors are remembered: what a chat searches for is said in its session a moment later. */
const REMEMBERED = 64
/** Failures of a text after which it is left without a vector until its session is read again. */
const MAX_FAILURES = 3

/** Texts of one session, with how often each failed. */
interface Batch {
  readonly sessionId: string
  readonly batch: ReadonlyMap<string, number>
}

export interface VectorQueueOptions {
  readonly texts: SessionTexts
  readonly embeddings: Embeddings
  /** Called when vectors are kept. */
  readonly onVectors: (sessionId: string, vectors: ReadonlyMap<string, Float32Array>) => void
  readonly onFailure: (error: unknown) => void
  readonly pauseMs?: number
}

/** Computes vectors of texts in the background, in small batches, and has them kept. Only keys wait: texts that are gone by then are passed over. */
export class VectorQueue {
  readonly #options: VectorQueueOptions
  /** By session, in the order in which they came: how often each text failed. */
  readonly #waiting = new Map<string, Map<string, number>>()
  readonly #searches = new Set<Promise<unknown>>()
  /** By what was searched for, the latest last. */
  readonly #searched = new Map<string, Float32Array>()
  readonly #closing = new AbortController()
  #isRunning = false
  #running: Promise<void> = Promise.resolve()
  #count = 0

  constructor(options: VectorQueueOptions) {
    this.#options = options
  }

  /** Texts that wait. */
  get size(): number {
    return this.#count
  }

  add(sessionId: string, keys: Iterable<string>): void {
    if (this.#closing.signal.aborted) return
    for (const key of keys) this.#put(sessionId, key, 0)
    if (this.#count === 0 || this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  forget(sessionId: string): void {
    this.#count -= this.#waiting.get(sessionId)?.size ?? 0
    this.#waiting.delete(sessionId)
  }

  /** The vector of what is searched for; it goes before what waits. */
  async ofSearch(text: string, signal: AbortSignal): Promise<Float32Array> {
    const known = this.#searched.get(text)
    if (known !== undefined) return known
    const asked = this.#options.embeddings.embed([text], AbortSignal.any([signal, this.#closing.signal]))
    const done = asked.catch(() => undefined)
    this.#searches.add(done)
    try {
      const [vector] = await asked
      if (vector === undefined) throw new Error('the model has no vector of what is searched for')
      this.#searched.set(text, vector)
      if (this.#searched.size > REMEMBERED) this.#searched.delete(this.#searched.keys().next().value!)
      return vector
    } finally {
      this.#searches.delete(done)
    }
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#isRunning) await this.#running
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the node stops'))
    this.#waiting.clear()
    this.#searched.clear()
    this.#count = 0
    await this.#running
  }

  #put(sessionId: string, key: string, failures: number): void {
    if (this.#count >= MAX_WAITING) return
    const keys = this.#waiting.get(sessionId) ?? new Map<string, number>()
    this.#waiting.set(sessionId, keys)
    if (!keys.has(key)) this.#count++
    keys.set(key, failures)
  }

  #take(): Batch | undefined {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const [sessionId, keys] = first
    const batch = new Map([...keys.entries().take(BATCH)])
    for (const key of batch.keys()) keys.delete(key)
    this.#count -= batch.size
    // The next batch is another session's.
    this.#waiting.delete(sessionId)
    if (keys.size > 0) this.#waiting.set(sessionId, keys)
    return { sessionId, batch }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let taken = this.#take(); taken !== undefined && !signal.aborted; taken = this.#take()) {
      await Promise.all(this.#searches)
      await this.#attempt(taken)
    }
    // At once: what is added from now on starts another run.
    this.#isRunning = false
  }

  async #attempt({ sessionId, batch }: Batch): Promise<void> {
    const { signal } = this.#closing
    try {
      await this.#compute(sessionId, [...batch.keys()])
    } catch (error) {
      if (signal.aborted) return
      this.#options.onFailure(error)
      for (const [key, failures] of batch) if (failures + 1 < MAX_FAILURES) this.#put(sessionId, key, failures + 1)
      await wait(this.#options.pauseMs ?? PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  async #compute(sessionId: string, keys: readonly string[]): Promise<void> {
    const { texts, embeddings, onVectors } = this.#options
    const found = keys.flatMap((key) => {
      const text = texts.text(sessionId, key)?.text
      return text === undefined ? [] : [{ key, text }]
    })
    if (found.length === 0) return
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(BATCH_MS)])
    const vectors = new Map(found.map(({ text }) => [text, this.#searched.get(text)]))
    const unknown = [...vectors.keys()].filter((text) => vectors.get(text) === undefined)
    const computed = unknown.length === 0 ? [] : await embeddings.embed(unknown, signal)
    for (const [at, text] of unknown.entries()) vectors.set(text, computed[at])
    // What was said otherwise meanwhile waits again already.
    const kept = new Map<string, Float32Array>()
    for (const { key, text } of found) {
      const vector = vectors.get(text)
      if (vector !== undefined && texts.text(sessionId, key)?.text === text) kept.set(key, vector)
    }
    if (kept.size === 0) return
    await texts.keepVectors(sessionId, embeddings.model, kept)
    onVectors(sessionId, kept)
  }
}
