import type { ContextMatch, ContextSearch } from '../../../protocol/memory.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { Embeddings } from '../../kernel/plugins/packages/embeddings.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { Metrics } from '../../kernel/telemetry/metrics.ts'
import { RecallIndex, type RecallQuery, searchTerms } from '../../kernel/text/recall-index.ts'
import { memoryError } from './errors.ts'
import type { MemoryText, Recall, Recalled, SessionTexts } from './recall.ts'
import { SessionIndex } from './session-index.ts'
import { snippetOf } from './snippet.ts'
import { VectorQueue } from './vector-queue.ts'

/** Results and least score of a search that names none. */
const DEFAULT_RESULTS = 5
const DEFAULT_THRESHOLD = 0
/** Milliseconds that a search waits for what it means. */
const MEANING_MS = 1000

export interface SessionRecallOptions {
  readonly texts: SessionTexts
  readonly embeddings: Embeddings
  /** Bytes of indexes in memory. */
  readonly indexBytes: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** Milliseconds that a search waits for what it means, instead of a second. Without it words decide alone. */
  readonly meaningMs?: number
  /** Milliseconds instead of half a minute, between two batches of which the first failed. */
  readonly pauseMs?: number
}

/**
 * Finds what was said in a session by its words and by its meaning. Meanings are computed in the background; until then, and where that fails, a
 * search goes by words. The embeddings are closed by whoever made them, afterwards.
 */
export class SessionRecall implements Recall {
  readonly #options: SessionRecallOptions
  readonly #index: RecallIndex
  readonly #sessions: SessionIndex
  readonly #queue: VectorQueue
  readonly #onFailure: (error: unknown) => void

  constructor(options: SessionRecallOptions) {
    const { texts, embeddings, logger, metrics } = options
    this.#options = options
    const failures = metrics.counter({
      name: 'cytoplex_memory_embedding_failures_total',
      help: 'Texts and searches of sessions whose meaning could not be computed.',
    })
    this.#onFailure = (error) => {
      failures.inc()
      logger.warn({ err: error, model: embeddings.model }, 'a meaning could not be computed; searches go by words')
    }
    this.#index = new RecallIndex({ maxBytes: options.indexBytes })
    this.#sessions = new SessionIndex({
      index: this.#index,
      texts,
      model: embeddings.model,
      onMissing: (sessionId, keys) => this.#queue.add(sessionId, keys),
    })
    this.#queue = new VectorQueue({
      texts,
      embeddings,
      onVectors: (sessionId, vectors) => this.#sessions.hasVectors(sessionId, vectors),
      onFailure: this.#onFailure,
      ...(options.pauseMs === undefined ? {} : { pauseMs: options.pauseMs }),
    })
  }

  async search(sessionId: string, search: ContextSearch, signal: AbortSignal): Promise<Recalled> {
    signal.throwIfAborted()
    const terms = searchTerms(search.query)
    try {
      const meaning = this.#meaningOf(search.query, signal)
      const query = async (): Promise<RecallQuery> => this.#queryOf(search, terms, await meaning)
      const { hits, total } = await this.#sessions.search(sessionId, query, signal)
      const matches = hits.map(({ key, score }) => this.#matchOf(sessionId, key, score, terms))
      // What went while it was found.
      const gone = matches.filter((match) => match === undefined).length
      return { matches: matches.filter((match) => match !== undefined), total: total - gone }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw memoryError('CONTEXT_RETRIEVAL_FAILED', 'what was said in this session could not be searched', {
        details: { session_id: sessionId, operation: 'search' },
        cause: error,
      })
    }
  }

  added(sessionId: string, texts: readonly MemoryText[]): void {
    this.#sessions.added(sessionId, texts)
    this.#queue.add(
      sessionId,
      texts.map(({ key }) => key),
    )
  }

  removed(sessionId: string, keys: readonly string[]): void {
    this.#sessions.removed(sessionId, keys)
  }

  forget(sessionId: string): void {
    this.#sessions.forget(sessionId)
    this.#queue.forget(sessionId)
  }

  /** Resolves when every meaning that was asked for is kept, or was given up. */
  idle(): Promise<void> {
    return this.#queue.idle()
  }

  async close(): Promise<void> {
    await this.#queue.close()
    await this.#index.close()
  }

  async #meaningOf(text: string, signal: AbortSignal): Promise<RecallQuery['meaning']> {
    const deadline = AbortSignal.timeout(this.#options.meaningMs ?? MEANING_MS)
    try {
      const vector = await this.#queue.ofSearch(text, AbortSignal.any([signal, deadline]))
      return { vector, unrelated: this.#options.embeddings.unrelated }
    } catch (error) {
      signal.throwIfAborted()
      this.#onFailure(error)
      return undefined
    }
  }

  #queryOf(search: ContextSearch, terms: readonly string[], meaning: RecallQuery['meaning']): RecallQuery {
    const { start, end } = search.time_range ?? {}
    return {
      terms,
      meaning,
      now: this.#options.clock.now(),
      from: start === undefined ? undefined : Date.parse(start),
      to: end === undefined ? undefined : Date.parse(end),
      thread: search.conversation_id,
      author: search.agent,
      threshold: search.relevance_threshold ?? DEFAULT_THRESHOLD,
      limit: search.max_results ?? DEFAULT_RESULTS,
    }
  }

  #matchOf(sessionId: string, key: string, score: number, terms: readonly string[]): ContextMatch | undefined {
    const { texts } = this.#options
    const found = texts.text(sessionId, key)
    if (found === undefined) return undefined
    const { conversationId, turnNumber, agent, at, text } = found
    const directive = texts.text(sessionId, `${conversationId}!1`)?.text ?? ''
    return {
      conversation_id: conversationId,
      turn_id: turnNumber === null ? null : `turn_${String(turnNumber).padStart(3, '0')}`,
      agent,
      relevance_score: Math.round(score * 1e6) / 1e6,
      snippet: snippetOf(text, terms),
      context: snippetOf(directive, []),
      timestamp: new Date(at).toISOString(),
    }
  }
}
