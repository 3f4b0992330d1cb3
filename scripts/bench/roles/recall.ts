import type { MemoryText, SessionTexts } from '../../../src/domain/memory/recall.ts'
import { SessionRecall } from '../../../src/domain/memory/session-recall.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'
import { createEnglishEmbeddings } from '../../../src/providers/embeddings/english.ts'
import { anonymousMegabytes } from '../anonymous-memory.ts'
import { turns, vectorsOf } from '../said.ts'

/** The default of `memory.index_bytes`. */
const INDEX_BYTES = 24 * 1024 * 1024

/** Sessions whose texts are made once before anything is measured. */
const WARM = 100

/** Texts and vectors that are made when they are asked for: a store would have them on its disk. */
class MadeTexts implements SessionTexts {
  readonly #perSession: number
  /** The same ones for every session, so that what is measured is not their making. */
  readonly #vectors: readonly Float32Array[]

  constructor(perSession: number) {
    this.#perSession = perSession
    this.#vectors = [...vectorsOf(turns(perSession, 0), 512).values()]
  }

  async *texts(sessionId: string): AsyncGenerator<MemoryText> {
    yield* this.#turns(sessionId)
  }

  text(_sessionId: string, key: string): MemoryText {
    return { key, conversationId: key, turnNumber: 1, agent: null, at: 0, text: '' }
  }

  async *vectors(sessionId: string): AsyncGenerator<readonly [string, Float32Array]> {
    for (const [at, { key }] of this.#turns(sessionId).entries()) yield [key, this.#vectors[at]!]
  }

  async keepVectors(): Promise<void> {}

  #turns(sessionId: string): MemoryText[] {
    return turns(this.#perSession, Number(sessionId))
  }
}

/** Searches every session once. Returns by how many megabytes the process grew, the model included. */
async function search({ sessions, turns: perSession }: { sessions: number; turns: number }): Promise<number> {
  const texts = new MadeTexts(perSession)
  // What makes them has what memory it needs.
  for (let session = 1; session <= WARM; session++) await Array.fromAsync(texts.texts(String(session)))
  const before = await anonymousMegabytes(process.pid)
  const embeddings = createEnglishEmbeddings()
  const recall = new SessionRecall({
    texts,
    embeddings,
    indexBytes: INDEX_BYTES,
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics(),
  })
  for (let session = 1; session <= sessions; session++) {
    await recall.search(String(session), { query: 'the licence of this software' }, AbortSignal.timeout(60_000))
  }
  const after = await anonymousMegabytes(process.pid)
  await recall.close()
  await embeddings.close()
  return after - before
}

export const commands = { search }
